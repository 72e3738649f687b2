//! Events of committed changes: published to Redis Streams, consumed in groups, at least once.
//!
//! A publisher says that something happened; each *group* of consumers is told of every event, and within a group each
//! event goes to one consumer. It is acknowledged when the handler has succeeded, taken over when its consumer died, and
//! put aside as a dead letter when it fails again and again.
//!
//! **What is promised.** An event that Redis has acknowledged is handled by each group at least once, as long as Redis
//! keeps it: run a Redis that persists (`appendonly yes`), not the one that is a cache and may lose or evict everything,
//! and watch that consumers do not lag behind the [`Retention`]. *At least once* means sometimes twice:
//! [`Message::id`] is the same each time.
//!
//! **Order.** One consumer handles events with the same key one after another in the order of publication. With several
//! consumers in a group, or after a takeover, two events of one key may be handled at once or the other way round: let
//! the handler read the present state from the database, or compare versions, instead of applying differences.
//!
//! Streams are named `ck~e:<namespace>:<topic>`, their dead letters `ck~e:<namespace>:<topic>:<group>:dead`. A user
//! restricted by ACLs needs `+@stream +time +info +@connection +config|get` on `~ck~*` as well.

#[cfg(feature = "events")]
mod consumer;
#[cfg(feature = "events")]
mod dead;
mod event;
#[cfg(feature = "events")]
mod handle;
#[cfg(feature = "events")]
mod handler;
#[cfg(feature = "events")]
mod in_hand;
#[cfg(feature = "events")]
mod invalidations;
#[cfg(feature = "events")]
mod keeper;
#[cfg(feature = "events")]
mod lag;
#[cfg(feature = "events")]
mod lanes;
#[cfg(feature = "events")]
mod message;
#[cfg(feature = "events")]
mod patience;
#[cfg(feature = "events")]
mod publisher;
#[cfg(feature = "events")]
mod reader;
mod stored;
#[cfg(feature = "events")]
mod work;

pub use event::Event;
pub use stored::StoredEvent;

#[cfg(feature = "events")]
pub use self::{
    consumer::Consumer, dead::DeadEvent, handle::ConsumerHandle, invalidations::INVALIDATIONS,
    lag::Lag, message::Message, publisher::Publisher,
};
#[cfg(feature = "events")]
pub(crate) use self::{
    dead::cut,
    handler::{Failure, Fault, guarded},
    patience::{Patience, Stop},
};
#[cfg(feature = "events")]
pub use crate::redis::Retention;
#[cfg(feature = "events")]
pub(crate) use publisher::{DEFAULT_RETENTION, fields};
