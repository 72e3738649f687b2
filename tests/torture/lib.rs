//! What the torture tests and their worker processes share: clock, history, databases, checker.
#![forbid(unsafe_code)]

pub mod check;
pub mod clock;
pub mod database;
pub mod fleet;
pub mod history;
pub mod host;
pub mod journal;
pub mod ordeal;
pub mod report;
pub mod rows;
pub mod service;
pub mod settings;
