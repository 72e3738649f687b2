//! What the torture tests and their worker processes share: clock, history, databases, checker.
#![forbid(unsafe_code)]

pub mod check;
pub mod clock;
pub mod database;
pub mod history;
pub mod rows;
pub mod service;
