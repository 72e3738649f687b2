//! What the engine asks of the tier that processes share, whichever store is behind it.

#[cfg_attr(not(any(feature = "redis", shuttle)), allow(dead_code))]
mod found;
#[cfg(feature = "redis")]
mod kept;
mod many;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_many;
mod replaced;
#[cfg(any(feature = "redis", shuttle))]
mod tags;
#[cfg(feature = "redis")]
mod trend;

#[cfg(feature = "redis")]
pub(crate) use self::redis::Redis;
pub(crate) use found::Found;
pub(crate) use many::MOST_KEYS;
pub(crate) use replaced::Replaced;
#[cfg(any(feature = "redis", shuttle))]
pub(crate) use tags::Filled;
#[cfg(shuttle)]
pub(crate) use tags::With;
#[cfg(feature = "redis")]
pub(crate) use trend::Trend;

use std::sync::Arc;

use crate::{
    __private::Codec,
    cache::{Answer, Ask, Lifetime},
    entry::{Id, Stamp},
    key::Tag,
};

/// The shared tier of one cache.
#[derive(Debug)]
pub(crate) enum Store {
    /// There is none: the in-process tier is all.
    Embedded,
    /// One Redis server.
    #[cfg(feature = "redis")]
    Redis(Redis),
    /// A double that runs every command as a task of its own.
    #[cfg(shuttle)]
    Double(crate::flight::schedules::Double),
}

/// What a probe found (protocol §4.4).
#[derive(Debug)]
pub(crate) enum Probe {
    /// The key was absent and now holds this probe's lease.
    Granted,
    /// The key holds a lease, perhaps one of ours.
    Lease(Id),
    /// The key holds an entry of this type.
    Hit(Found),
    /// The key holds an entry that this process cannot use: another type, or a bad checksum.
    Unusable(Id),
    /// The key holds an entry of this type, and a tag of its was invalidated since it was loaded.
    #[cfg_attr(not(any(feature = "redis", shuttle)), allow(dead_code))]
    Outdated(Id),
    /// A writer forbids fills for the moment.
    Inhibited,
    /// The key holds something that is not ours at all.
    Foreign,
}

/// Why a command gave no answer.
#[repr(usize)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreError {
    /// There is no connection; nothing was sent.
    Down,
    /// The server has no memory left for writes; nothing was done.
    OutOfMemory,
    /// The server refused the command; nothing was done.
    Refused,
    /// The connection broke or stalled; whether the command ran is unknown.
    Unknown,
    /// The value cannot be encoded; nothing was sent.
    Unencodable,
}

impl StoreError {
    /// One word for metrics and logs.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::OutOfMemory => "out_of_memory",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Unencodable => "unencodable",
        }
    }
}

/// Which entry a fill expects to find under the key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// The lease with this id, of kind `L` only.
    Lease(Id),
    /// Whatever entry has this id.
    Entry(Id),
}

/// A value on its way into the shared tier.
#[derive(Clone, Debug)]
pub(crate) struct Fill<'a> {
    pub(crate) expected: Expected,
    pub(crate) answer: &'a Answer,
    pub(crate) codec: &'static Codec,
    pub(crate) lifetime: Lifetime,
    pub(crate) load_cost_ms: u32,
    /// The tags it was loaded under.
    pub(crate) stamps: Option<Arc<[Stamp]>>,
    /// Whether processes may keep a copy.
    pub(crate) local: bool,
}

/// Keeps a lease from running out while it lives.
#[derive(Debug)]
pub(crate) enum Hold {
    #[cfg(feature = "redis")]
    Redis { _hold: crate::redis::LeaseHold },
    #[cfg(shuttle)]
    Double(crate::flight::schedules::Double),
}

/// Dispatches to the store at hand; the embedded one has no such command.
macro_rules! remote {
    ($self:expr, $store:ident => $call:expr, embedded => $embedded:expr) => {
        match $self {
            Store::Embedded => $embedded,
            #[cfg(feature = "redis")]
            Store::Redis($store) => $call,
            #[cfg(shuttle)]
            Store::Double($store) => $call,
        }
    };
}

#[cfg(any(feature = "redis", shuttle))]
use remote;

// What is not part of a hit is boxed: it would make the future of every read as large as its own.
impl Store {
    /// The namespace that this cache's keys share with other processes, if they do.
    #[cfg(feature = "_sqlx")]
    pub(crate) fn namespace(&self) -> &str {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.store.namespace(),
            #[allow(unreachable_patterns)]
            _ => "",
        }
    }

    /// The Bloom filter of this name that processes share; `None` where they share nothing.
    #[cfg(all(feature = "bloom", feature = "redis"))]
    pub(crate) fn bloom(
        &self,
        name: &str,
    ) -> Result<Option<crate::redis::BloomKey>, crate::error::Error> {
        match self {
            Self::Redis(redis) => redis.store.bloom(name).map(Some),
            _ => Ok(None),
        }
    }

    /// The tier that answers what is no hit in this process.
    pub(crate) fn tier_name(&self) -> &'static str {
        match self {
            Self::Embedded => "local",
            #[cfg(feature = "redis")]
            Self::Redis(_) => "redis",
            #[cfg(shuttle)]
            Self::Double(_) => "double",
        }
    }

    /// Whether a read is likely to find something, as of late.
    pub(crate) fn expects_hit(&self) -> bool {
        remote!(self, store => store.expects_hit(), embedded => false)
    }

    /// Reads the key and leaves no lease. It fails wherever an invalidation would: what cannot be
    /// deleted any more is not served.
    pub(crate) async fn read(&self, key: &str, ask: &Ask) -> Result<Option<Found>, StoreError> {
        remote!(self, store => store.read(key, ask).await, embedded => {
            let _ = (key, ask);
            Ok(None)
        })
    }

    /// [`read`](Self::read) by a reader that names these tags, or none.
    pub(crate) async fn read_by(
        &self,
        key: &str,
        ask: &Ask,
        tags: &[Tag],
    ) -> Result<Option<Found>, StoreError> {
        #[cfg(any(feature = "redis", shuttle))]
        if !tags.is_empty() {
            return self.read_under(key, ask, tags, false).await.map(|(found, _)| found);
        }
        let _ = tags;
        self.read(key, ask).await
    }

    /// [`read`](Self::read) that also asks how long the entry has left.
    pub(crate) async fn read_with_left(
        &self,
        key: &str,
        ask: &Ask,
    ) -> Result<Option<Found>, StoreError> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.read_with_left(key, ask).await,
            _ => self.read(key, ask).await,
        }
    }

    /// Looks without touching: for tools, and where the server can still delete but not write.
    pub(crate) async fn look(&self, key: &str, ask: &Ask) -> Result<Option<Found>, StoreError> {
        remote!(self, store => Box::pin(store.look(key, ask)).await, embedded => {
            let _ = (key, ask);
            Ok(None)
        })
    }

    /// Deletes the keys, many in one write, and says of each whether that is acknowledged. What is stamped with one of
    /// them as a tag is void as well.
    pub(crate) async fn unlink(&self, keys: &[&str]) -> Vec<Result<(), StoreError>> {
        remote!(self, store => {
            let all = tags::WithGenerations::new(keys);
            all.outcomes(store.unlink(&all.texts()).await)
        }, embedded => vec![Ok(()); keys.len()])
    }

    /// Publishes an event to the stream of its topic. The same event may be published twice: consumers know it by its id.
    #[cfg(feature = "events")]
    #[cfg_attr(not(any(test, feature = "_sqlx")), allow(dead_code))]
    pub(crate) async fn publish(
        &self,
        event: &crate::events::StoredEvent,
    ) -> Result<(), StoreError> {
        match self {
            Self::Redis(store) => store.publish(event).await,
            _ => Err(StoreError::Refused),
        }
    }

    /// Deletes every entry of the namespace.
    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        remote!(self, store => Box::pin(store.sweep()).await, embedded => Ok(()))
    }

    /// Whether commands are sent at all.
    pub(crate) fn is_up(&self) -> bool {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.is_up(),
            _ => true,
        }
    }

    /// Whether processes share it.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self, Self::Embedded)
    }

    /// How long ago the connection came or went.
    pub(crate) fn changed_ago(&self) -> Option<std::time::Duration> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(store) => Some(store.store.changed_ago()),
            _ => None,
        }
    }

    /// Resolves when the connection comes or goes after this call.
    pub(crate) fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        #[cfg(feature = "redis")]
        let changed = match self {
            Self::Redis(store) => Some(store.changed()),
            _ => None,
        };
        #[cfg(not(feature = "redis"))]
        let changed: Option<std::future::Pending<()>> = None;
        async move {
            match changed {
                Some(changed) => changed.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Ends background work and closes the connection.
    pub(crate) async fn shutdown(&self) {
        remote!(self, store => store.shutdown().await, embedded => {})
    }

    /// Takes back a mark of this id. Fire and forget.
    pub(crate) fn unmark(&self, key: &str, id: Id) {
        remote!(self, store => store.unmark(key, id), embedded => {
            let _ = (key, id);
        });
    }

    /// Gives up a lease, if the key still holds it. Fire and forget.
    pub(crate) fn give_up(&self, key: &str, id: Id) {
        remote!(self, store => store.give_up(key, id), embedded => {
            let _ = (key, id);
        });
    }
}

/// Commands that only a shared tier has; their callers have checked that there is one.
#[cfg(any(feature = "redis", shuttle))]
impl Store {
    /// An id that was never used, of the current connection.
    pub(crate) fn fresh_id(&self) -> Option<Id> {
        remote!(self, store => store.fresh_id(), embedded => None)
    }

    /// Reads the key, and puts this lease there if it is absent.
    pub(crate) async fn probe(&self, key: &str, id: Id, ask: &Ask) -> Result<Probe, StoreError> {
        remote!(self, store => store.probe(key, id, ask).await, embedded => Err(StoreError::Down))
    }

    /// [`probe`](Self::probe) that also asks how long the entry has left.
    pub(crate) async fn probe_with_left(
        &self,
        key: &str,
        id: Id,
        ask: &Ask,
    ) -> Result<Probe, StoreError> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.probe_with_left(key, id, ask).await,
            _ => self.probe(key, id, ask).await,
        }
    }

    /// What a refresh may replace: the entry that is there, or a lease that it got.
    pub(crate) async fn seen(&self, key: &str, id: Id) -> Result<Option<Expected>, StoreError> {
        remote!(self, store => Box::pin(store.seen(key, id)).await, embedded => Err(StoreError::Down))
    }

    /// What a writer may replace when it has written: the entry that is there, or a tombstone that it leaves for `px` ms.
    /// No reader waits for either. `None`: nothing that could be replaced.
    pub(crate) async fn claim(
        &self,
        key: &str,
        id: Id,
        px: u64,
    ) -> Result<Option<Expected>, StoreError> {
        match self {
            #[cfg(feature = "redis")]
            Self::Redis(store) => Box::pin(store.claim(key, id, px)).await,
            _ => {
                let _ = (key, id, px);
                Err(StoreError::Down)
            }
        }
    }

    /// Puts the value in the place of what is expected there. `Ok(false)`: it is gone.
    pub(crate) async fn fill(&self, key: &str, fill: Fill<'_>) -> Result<bool, StoreError> {
        remote!(self, store => Box::pin(store.fill(key, fill)).await, embedded => Err(StoreError::Down))
    }

    /// Puts a lease in the place of the entry with that id. `Ok(false)`: it is gone.
    pub(crate) async fn replace(&self, key: &str, seen: Id, fresh: Id) -> Result<bool, StoreError> {
        remote!(self, store => Box::pin(store.replace(key, seen, fresh)).await, embedded => Err(StoreError::Down))
    }

    /// Says to all processes for `px` ms that one of them loads the key anew. `Ok(false)`: another does.
    pub(crate) async fn mark(&self, key: &str, id: Id, px: u64) -> Result<bool, StoreError> {
        remote!(self, store => Box::pin(store.mark(key, id, px)).await, embedded => Ok(true))
    }

    /// Deletes what is not ours.
    pub(crate) async fn remove_foreign(&self, key: &str) -> Result<(), StoreError> {
        remote!(self, store => Box::pin(store.remove_foreign(key)).await, embedded => Err(StoreError::Down))
    }

    /// Extends a lease until the hold is dropped. `None` in a store whose leases do not end.
    pub(crate) fn hold(&self, key: &str, id: Id) -> Option<Hold> {
        remote!(self, store => Some(store.hold(key, id)), embedded => None)
    }
}
