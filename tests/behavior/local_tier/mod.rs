//! Copies in process of what is in Redis: what is kept, until when, and what ends them.

mod bounds;
mod links;
mod metrics;
mod passed;
mod races;
mod settings;
mod tags;

use std::time::Duration;

use cachekit::{Cache, LocalTier};
use cachekit_test_support::Proxy;
use cachekit_tests::{POLICY, cache, item, until_async};

/// The bound of these tests: their heartbeats come every 100 ms.
const DELTA: Duration = Duration::from_millis(400);

fn local() -> LocalTier {
    LocalTier::new().staleness(DELTA)
}

/// Two processes on one Redis: the first with copies, behind a proxy.
async fn pair(proxy: &Proxy, server: &str) -> (Cache, Cache) {
    (cachekit_tests::with_local(&proxy.url(), local()).await, cache(server).await)
}

/// Reads `item:<id>`; loads `version` if it is nowhere.
async fn read(cache: &Cache, id: u64, version: u64) -> u64 {
    cache.get_or_load(item(id), &POLICY, async || Ok::<_, ()>(version)).await.unwrap()
}

/// How many commands asked for `item:<id>` so far.
fn asked(proxy: &Proxy, id: u64) -> usize {
    let key = format!("ck:t:item:{id}").into_bytes();
    proxy.count(|command| command.args.get(1) == Some(&key))
}

/// Reads until a read asks nobody.
async fn until_kept(proxy: &Proxy, cache: &Cache, id: u64, version: u64) {
    until_async("a copy is served", async || {
        let before = asked(proxy, id);
        assert_eq!(read(cache, id, version).await, version);
        asked(proxy, id) == before
    })
    .await;
}
