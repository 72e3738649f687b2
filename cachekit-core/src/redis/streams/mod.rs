//! Redis Streams: adding, reading in groups, claiming, trimming. Every command names one key.

mod entry;
mod group;
mod names;
mod owner;
mod stream;

pub(crate) use entry::{Entry, Fields};
pub(crate) use group::{Backlog, From, Group};
pub(crate) use names::{Kind, check_name, stream_key};
pub(crate) use owner::Owner;
pub use stream::Retention;
pub(crate) use stream::{Stream, StreamError};
