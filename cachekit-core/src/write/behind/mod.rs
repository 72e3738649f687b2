//! Write-behind: values are accepted into a durable stream, and written to the database later, in batches.

mod builder;
mod flush;
mod flusher;
mod handle;
mod held;

pub use self::{builder::WriteBehindBuilder, flush::Write, handle::WriteBehind};
