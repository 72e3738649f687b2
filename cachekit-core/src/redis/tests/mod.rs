//! Tests against real servers: what a script does to a key, and what the link does when a server misbehaves.

mod commands;
mod leases;
mod lifecycle;
mod link;
mod login;
pub(super) mod rubbish;
mod scripts;
#[cfg(feature = "redis-tls")]
mod tls;

use std::time::Duration;

use cachekit_test_support::RedisServer;
use tokio::time::timeout;

use super::{Probe, RedisOptions, RedisStore};
use crate::entry::Id;

/// Far more than anything here takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(20);

async fn connect(server: &RedisServer) -> RedisStore {
    connect_with(server, RedisOptions::new()).await
}

async fn connect_with(server: &RedisServer, options: RedisOptions) -> RedisStore {
    let store = RedisStore::connect(&server.url(), "test", options).await.unwrap();
    assert!(store.is_up());
    store
}

/// Waits until the link is up, or down.
async fn becomes(store: &RedisStore, up: bool) {
    let settled = timeout(LONG, async {
        loop {
            let changed = store.changed();
            if store.is_up() == up {
                return;
            }
            changed.await;
        }
    });
    settled.await.expect("the link changes its state");
}

/// Waits until `holds` does: for what the server itself does over time.
async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    let settled = timeout(LONG, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    settled.await.expect("the condition holds in time");
}

/// Leases a key that must be absent.
async fn lease(store: &RedisStore, key: &str) -> Id {
    let id = store.fresh_id().unwrap();
    let probe = store.probe(key, id).await.unwrap();
    assert!(matches!(probe, Probe::Granted), "{probe:?}");
    id
}

/// An entry as the scripts see it: kind, id, floor, version, and some bytes.
fn entry(kind: u8, id: [u8; 16], floor: u64, version: u64, payload: &[u8]) -> Vec<u8> {
    let mut entry = vec![0xca, 1, kind, 0];
    entry.extend_from_slice(&id);
    entry.extend_from_slice(&floor.to_be_bytes());
    if kind == b'V' {
        entry.extend_from_slice(&version.to_be_bytes());
        entry.extend_from_slice(&[0; 20]);
        entry.extend_from_slice(payload);
    }
    entry
}
