//! The Redis store: one supervised connection, single-key commands, scripts, and the leases this process holds.
//!
//! Whether Redis can be used is the state of the link and nothing else: while it is down every command fails at
//! once with [`StoreError::Down`], so no circuit breaker stands beside it.

mod backoff;
mod connect;
mod exchange;
mod keeper;
mod lease;
mod link;
mod names;
mod node;
mod options;
mod probe;
mod reply;
mod script;
mod store;
mod supervisor;
mod sweep;
#[cfg(feature = "redis-tls")]
mod tls;
mod url;

#[cfg(test)]
mod tests;

pub use self::options::RedisOptions;
pub(crate) use self::{lease::LeaseHold, probe::Probe, reply::StoreError, store::RedisStore};

/// The operation that errors of this module name.
const CONNECT: &str = "connect to redis";
