//! The names of all metrics, and what they count. Labels never hold keys, only templates.

/// Counter: reads that were no hit in this process, by `template`, `tier`, `outcome`; and, without
/// a template, hits in this process.
pub const READS: &str = "cachekit_reads_total";
/// Counter: reads that went past the cache, by `template` and `reason`.
pub const BYPASSES: &str = "cachekit_bypass_total";
/// Counter: loaded values that an invalidation overtook, by `template`.
pub const FILLS_REFUSED: &str = "cachekit_fills_refused_total";
/// Counter: loaded values whose fill failed or is unknown, by `template` and `reason`.
pub const FILLS_FAILED: &str = "cachekit_fills_failed_total";
/// Counter: loads in the background of what was still there, by `template` and `outcome` (`filled`, `refused`,
/// `elsewhere`, `failed`, `panicked`, `timed_out`, `no_room`).
pub const REFRESHES: &str = "cachekit_refreshes_total";
/// Counter: invalidations, by `template` and `outcome` (`applied`, `pending`).
pub const INVALIDATIONS: &str = "cachekit_invalidations_total";
/// Histogram, seconds: from the end of a write to the store's acknowledgement of its
/// invalidation, by `template`, which is `(outbox)` for what a relay applied.
pub const INVALIDATION_SECONDS: &str = "cachekit_invalidation_seconds";
/// Counter: invalidations that did not get through in their quick tries, by `template`.
pub const DEAD_LETTERS: &str = "cachekit_dead_letters_total";
/// Counter: reads that were given an error of the cache's own, by `template` and `reason` (`hard_timeout`,
/// `overloaded`).
pub const REFUSED: &str = "cachekit_refused_total";
/// Counter: old values that were answered in the place of a load, by `template` and `reason` (`error`,
/// `hard_timeout`, `soft_timeout`, `crowded`, `last_known`). Those answered while no load is tried again count
/// as reads with the outcome `stale` only.
pub const STALE: &str = "cachekit_stale_total";
/// Gauge: loads of this process that run, except those inside another one.
pub const LOADS_RUNNING: &str = "cachekit_loads_running";
/// Gauge: callers of this process that wait for a turn to load.
pub const LOADS_WAITING: &str = "cachekit_loads_waiting";
/// Counter: work that outlived its caller, by `outcome` (`done`, `panicked`, `dropped` with its runtime or for want of
/// one, `no_room`).
pub const TASKS: &str = "cachekit_tasks_total";
/// Gauge: 1 while the store that processes share can be used, 0 while reads go past it.
pub const STORE_UP: &str = "cachekit_store_up";
/// Histogram, seconds: from a read's start to its answer, for reads that were no hit in this
/// process, by `template` and `outcome`.
pub const READ_SECONDS: &str = "cachekit_read_seconds";
/// Gauge, seconds: how far the copies in this process may be behind Redis, by `namespace`: the age of the last heartbeat
/// that came back, infinite before the first. Beyond the staleness that the local tier was given none is served.
pub const L1_HORIZON_SECONDS: &str = "cachekit_l1_horizon_seconds";
/// Gauge: rows of the outbox that wait, by `namespace`.
pub const OUTBOX_PENDING: &str = "cachekit_outbox_pending";
/// Gauge, seconds: how long the oldest of them has waited, by `namespace`.
pub const OUTBOX_LAG_SECONDS: &str = "cachekit_outbox_lag_seconds";
/// Counter: rows of the outbox that were given up, by `namespace`.
pub const OUTBOX_DEAD: &str = "cachekit_outbox_dead_total";
/// Counter: questions to a Bloom filter, by `filter` and `verdict` (`absent`, `maybe`, `not_live`).
pub const BLOOM: &str = "cachekit_bloom_total";
/// Gauge: how many ids a Bloom filter has, by `filter`.
pub const BLOOM_IDS: &str = "cachekit_bloom_ids";
/// Gauge: the share of ids that a Bloom filter does not have and lets pass, by `filter`; an estimate.
pub const BLOOM_FALSE_POSITIVES: &str = "cachekit_bloom_false_positives";
/// Counter: messages of streams, by `topic`, `group` and `outcome` (`handled`, `failed`, `dead`, `taken_over`).
pub const MESSAGES: &str = "cachekit_messages_total";
/// Gauge: messages that were delivered and not acknowledged, by `topic` and `group`.
pub const MESSAGES_PENDING: &str = "cachekit_messages_pending";
/// Gauge: messages that were not delivered yet, by `topic` and `group`.
pub const MESSAGES_WAITING: &str = "cachekit_messages_waiting";
/// Gauge, seconds: how long the oldest of both has waited, by `topic` and `group`.
pub const MESSAGES_LAG_SECONDS: &str = "cachekit_messages_lag_seconds";
/// Counter: locks that were asked for, by `template` and `outcome` (`acquired`, `busy`, `wait_exhausted`, `overloaded`,
/// `unavailable`, `lost`, `cancelled`).
pub const LOCKS: &str = "cachekit_locks_total";
/// Histogram, seconds: from asking for a lock to the outcome, by `template` and `outcome`.
pub const LOCK_WAIT_SECONDS: &str = "cachekit_lock_wait_seconds";
/// Histogram, seconds: how long locks were held, by `template`.
pub const LOCK_HOLD_SECONDS: &str = "cachekit_lock_hold_seconds";
/// Counter: locks that were not free when they were asked for, by `template` and `among` (`process`: another caller of
/// this process was before, `store`: another process may have been).
pub const LOCKS_CONTENDED: &str = "cachekit_locks_contended_total";
/// Counter: renewals of held locks, by `template` and `outcome` (`renewed`, `failed`).
pub const LOCK_RENEWALS: &str = "cachekit_lock_renewals_total";
/// Counter: locks that were lost, by `template` and `reason` (`expired`, `deleted`, `taken`, `max_hold`,
/// `disconnected`).
pub const LOCKS_LOST: &str = "cachekit_locks_lost_total";
