//! The Redis store: one supervised connection, single-key commands, scripts, and the leases this process holds.
//!
//! Whether Redis can be used is the state of the link and nothing else: while it is down every command fails at
//! once with [`StoreError::Down`], so no circuit breaker stands beside it.

mod backoff;
#[cfg(feature = "bloom")]
mod bloom;
mod connect;
mod convoy;
#[cfg(feature = "testing")]
mod double;
mod exchange;
mod keeper;
mod kept;
mod lease;
mod link;
mod lock;
mod many;
mod names;
mod node;
mod options;
mod probe;
mod reply;
mod script;
#[cfg(feature = "testing")]
mod steps;
mod store;
#[cfg(feature = "events")]
mod streams;
mod supervisor;
mod sweep;
mod tags;
mod task;
#[cfg(feature = "redis-tls")]
mod tls;
mod tracking;
mod url;
mod voter;
mod wakes;
#[cfg(feature = "events")]
mod wire;

#[cfg(test)]
mod tests;

#[cfg(feature = "bloom")]
pub(crate) use self::bloom::{BloomKey, HEADER, Incarnation, Looked};
#[cfg(feature = "testing")]
pub use self::double::Faults;
pub use self::options::RedisOptions;
#[cfg(feature = "testing")]
pub use self::steps::{Probed, Steps};
#[cfg(feature = "events")]
pub use self::streams::Retention;
pub(crate) use self::{
    lease::LeaseHold,
    lock::{LockAsk, LockDue, LockFound, LockKeys, LockTaken},
    many::CasFill,
    probe::Probe,
    reply::{Refusal, StoreError},
    store::RedisStore,
    tags::{Generation, Stamped, Wanted},
    tracking::{Sink, Tracking},
    voter::{Standing, Voter, check_namespace},
    wakes::{Sleeper, Wakes},
};
#[cfg(feature = "events")]
pub(crate) use self::{
    streams::{
        Backlog, Entry, Fields, From, Group, Kind, Owner, Stream, StreamError, check_name,
        stream_key,
    },
    wire::Wire,
};

/// The operation that errors of this module name.
const CONNECT: &str = "connect to redis";
