//! What the torture test and its worker processes share: clock, history, database, checker.
#![forbid(unsafe_code)]

pub mod check;
pub mod clock;
pub mod database;
pub mod history;
