//! Processes that share locks.

mod counter;
mod several;

pub(crate) use self::{counter::run as count, several::run as several};
