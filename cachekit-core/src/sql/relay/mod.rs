//! The relay: claims rows of the outbox, invalidates and publishes what they say, and marks them as done.

mod apply;
mod hooks;
mod publish;
mod relay;
mod run;
mod settings;
mod task;
mod upkeep;

pub use hooks::DeadRow;
pub use relay::{Relay, backlog, redrive};
pub use task::RelayHandle;
