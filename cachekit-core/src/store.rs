//! What a flight asks of the tier that processes share, whichever store is behind it.

use crate::{__private::Codec, cache::Answer, entry::Id};

/// The shared tier of one cache.
#[derive(Debug)]
pub(crate) enum Store {
    /// There is none: the in-process tier is all.
    Embedded,
    /// One Redis server.
    #[cfg(feature = "redis")]
    Redis(crate::redis::RedisStore),
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
    Hit(Answer),
    /// The key holds an entry that this process cannot use: another type, or a bad checksum.
    Unusable(Id),
    /// A writer forbids fills for the moment.
    Inhibited,
    /// The key holds something that is not ours at all.
    Foreign,
}

/// Why a command gave no answer.
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

/// Which entry a fill expects to find under the key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// The lease with this id, of kind `L` only.
    Lease(Id),
    /// Whatever entry has this id.
    Entry(Id),
}

/// A value on its way into the shared tier.
#[derive(Debug)]
pub(crate) struct Fill<'a> {
    pub(crate) expected: Expected,
    pub(crate) answer: &'a Answer,
    pub(crate) codec: Codec,
    pub(crate) ttl_ms: u64,
    pub(crate) load_cost_ms: u32,
}
