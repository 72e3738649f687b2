//! The relay: claims rows of the outbox, invalidates and publishes what they say, and marks them as done.

mod apply;
mod builder;
mod dead;
mod publish;
mod run;
mod settings;
mod task;
mod upkeep;

pub use builder::{Relay, backlog, redrive};
pub use dead::DeadRow;
pub use task::RelayHandle;
