//! The write side: invalidations that are sent, retried and never silently lost.

mod armed;
mod backlog;
#[cfg(feature = "events")]
pub(crate) mod behind;
mod dead_letter;
mod queue;
mod through;
mod timetable;
mod worker;
mod writers;

pub(crate) use armed::Armed;
pub use dead_letter::DeadLetter;
pub(crate) use queue::Queue;
pub(crate) use through::Through;
pub(crate) use writers::Writers;
