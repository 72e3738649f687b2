//! What was loaded under a tag goes with it, in every process, and nothing that begins later sees it.

mod generations;
mod races;
mod reads;
mod writers;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cachekit::{Cache, Key, Policy, Status, Ttl, key, with_status};
use cachekit_tests::{POLICY, item, soon};

/// Good for a moment, and answered for a minute more.
const STALE: Policy = Policy::from_parts(Ttl::from_millis(1, 0), None)
    .stale_while_revalidate(Duration::from_secs(60));

fn org(org: u64) -> Key {
    key!("org:<org>")
}

/// A row, and what a read under the tag `org:7` loads of it.
#[derive(Clone, Debug, Default)]
struct Row(Arc<AtomicU64>);

impl Row {
    fn set(&self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    async fn read(&self, cache: &Cache) -> (u64, Status) {
        self.read_item(cache, 1).await
    }

    async fn read_item(&self, cache: &Cache, id: u64) -> (u64, Status) {
        let load = async || Ok::<_, ()>(self.get());
        let tagged = cache.tagged([org(7)]);
        let (value, status) = soon(with_status(tagged.get_or_load(item(id), &POLICY, load))).await;
        (value.unwrap(), status)
    }
}
