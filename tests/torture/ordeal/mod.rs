//! Long runs: several processes read and write through what is under test while everything around them fails, and
//! every read is checked.

mod faults;
mod member;
mod nemesis;
mod outcome;
mod outsider;
mod run;
mod setup;
mod world;

pub use faults::Faults;
pub use outcome::{Outcome, Wrong};
pub use run::run;
pub use setup::{Setup, Subject};
