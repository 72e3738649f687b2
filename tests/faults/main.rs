//! Redis fails, and reads go on.
