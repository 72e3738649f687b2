//! A Redis that is none: for users' tests, in memory, failing on command.
//!
//! It stands behind the wire, so that all of the client is as it is in production: the link and its supervisor, time-outs,
//! scripts, entries. What it knows of commands is what the engine sends, and is compared with a real server in its tests.

mod command;
mod faults;
mod keys;
mod resp;
mod script;
mod serve;

#[cfg(test)]
mod tests;

pub use self::faults::Faults;
pub(super) use self::serve::dial;
