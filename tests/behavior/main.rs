//! What cachekit promises, one module a promise, on a real Redis.

#![allow(clippy::unwrap_used, reason = "what helps tests is part of them")]

mod ahead;
mod batches;
mod bloom;
mod cancellation;
mod cross_process;
mod drops;
mod events;
mod expiry;
mod fail_safe;
mod faulty;
mod fences;
mod fills;
mod foreign;
mod formats;
mod harmless;
mod health;
mod isolation;
mod joining;
mod leases;
mod local_tier;
mod locks;
mod login;
mod many_keys;
mod negative;
mod optimistic;
mod outbox;
mod overload;
mod patience;
mod peek;
mod probes;
mod queue;
mod receipts;
mod refresh;
mod replicas;
mod schema;
mod second_invalidation;
mod shutdown;
mod tags;
mod transactions;
mod write_behind;
mod write_through;
mod writers;
