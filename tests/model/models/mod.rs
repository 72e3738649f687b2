//! One file per concern; each says at its head what it leaves out.

pub mod copies;
pub mod dirty;
pub mod flight;
pub mod lease;
pub mod textbook;
