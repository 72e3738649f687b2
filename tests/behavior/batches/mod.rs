//! Many keys at once: one load for all that is missing, and each key for itself.

mod faults;
mod overlaps;
mod shape;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use cachekit::{Cache, Policy};
use cachekit_test_support::RedisServer;
use cachekit_tests::{POLICY, cache, item};

/// A table with the rows 0 to 9999, of which each is ten times its id; and every load from it.
#[derive(Debug, Default)]
struct Rows {
    calls: Mutex<Vec<Vec<u64>>>,
}

impl Rows {
    async fn load(&self, ids: Vec<u64>) -> Result<HashMap<u64, u64>, ()> {
        self.note(&ids);
        tokio::task::yield_now().await;
        Ok(ids.into_iter().filter(|id| *id < 10_000).map(|id| (id, id * 10)).collect())
    }

    fn note(&self, ids: &[u64]) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(ids.to_vec());
    }

    /// The ids of each call so far.
    fn calls(&self) -> Vec<Vec<u64>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What these ids are expected to have.
    fn of(ids: &[u64]) -> Vec<Option<u64>> {
        ids.iter().map(|id| (*id < 10_000).then_some(id * 10)).collect()
    }
}

async fn get(cache: &Cache, ids: &[u64], rows: &Rows) -> Vec<Option<u64>> {
    get_with(cache, ids, &POLICY, rows).await
}

async fn get_with(cache: &Cache, ids: &[u64], policy: &Policy, rows: &Rows) -> Vec<Option<u64>> {
    let load = async |missing| rows.load(missing).await;
    let found = cache.get_many(ids.to_vec(), |id| item(*id), policy, load).await.unwrap();
    assert!(found.iter().map(|(id, _)| id).eq(ids), "in the order of the ids");
    found.into_iter().map(|(_, value)| value).collect()
}

/// Every kind of cache; the server lives as long as they do.
async fn caches() -> (RedisServer, [Cache; 2]) {
    let server = RedisServer::start();
    let remote = cache(&server.url()).await;
    (server, [remote, Cache::builder().build().unwrap()])
}
