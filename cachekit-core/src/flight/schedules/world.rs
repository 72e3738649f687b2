//! What a schedule takes place in: one database row, one or two processes, perhaps a server.

use std::sync::{Arc, Weak, atomic::Ordering::SeqCst};

use shuttle::future::yield_now;

use super::{
    Double,
    database::{Database, Found},
    reader,
    scenario::Scenario,
    server::{Server, percent},
};
use crate::{
    cache::Cache,
    clock::{Clock, ManualClock},
    engine::Engine,
    key::{Key, KeyBuf, Segment as _},
    store::Store,
};

/// Everything that a schedule's actors share.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) db: Arc<Database>,
    pub(super) key: Key,
    /// What readers name, if they name tags.
    pub(super) tag: Option<Key>,
    pub(super) caches: Vec<Cache>,
    pub(super) server: Option<Arc<Server>>,
    pub(super) clock: Arc<ManualClock>,
    /// The rows that every writer writes, of which `key` is the first.
    ids: &'static [u64],
}

impl World {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let server = scenario.store.then(|| Server::new(scenario.faults, scenario.slow_replies));
        let world = Self::with(scenario, server);
        if let Some(server) = world.server.as_ref().filter(|_| scenario.warm) {
            for key in world.keys() {
                server.with_keys(|keys| keys.put(key.as_str(), 0_u64));
            }
        }
        world
    }

    pub(super) fn with(scenario: &Scenario, server: Option<Arc<Server>>) -> Self {
        let clock = Arc::new(ManualClock::new());
        let caches = (0..scenario.processes)
            .map(|_| {
                let store = match &server {
                    Some(server) => Store::Double(Double { server: server.clone() }),
                    None => Store::Embedded,
                };
                Cache::builder()
                    .clock(Clock::manual(clock.clone()))
                    .double(store, scenario.limits(), scenario.copies)
                    .build()
                    .unwrap()
            })
            .collect();
        let tag = scenario.tags.then(|| key(9));
        let ids: &[u64] = if scenario.batches > 0 { &[7, 9, 10] } else { &[7] };
        let db = Arc::new(Database::new(scenario));
        Self { db, key: key(7), tag, caches, server, clock, ids }
    }

    /// Keys whose invalidation makes the row's entries stale: with tags that of the tag, or the key that is the tag.
    pub(super) fn stale_keys(&self) -> Vec<Key> {
        match &self.tag {
            Some(tag) if percent() < 70 => vec![tag.to_tag()],
            Some(tag) => vec![tag.clone()],
            None => self.keys(),
        }
    }

    pub(super) fn ids(&self) -> &'static [u64] {
        self.ids
    }

    /// The keys that every writer invalidates.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.ids.iter().copied().map(key).collect()
    }

    pub(super) fn key_of(id: u64) -> Key {
        key(id)
    }

    pub(super) fn other_key(&self) -> Key {
        key(8)
    }

    pub(super) fn engines(&self) -> impl Iterator<Item = &Arc<Engine>> {
        self.caches.iter().filter_map(Cache::engine)
    }

    /// The next invalidation starts the background work that ended with its runtime.
    pub(super) async fn find_another_runtime(&self) {
        for _ in 0..20 {
            yield_now().await;
        }
        for cache in &self.caches {
            cache.invalidate(self.other_key()).await;
        }
    }

    /// Waits until nothing is under way any more, and checks that nothing stayed behind.
    pub(super) async fn come_to_rest(self) {
        if let Some(server) = &self.server {
            server.calm();
        }
        self.quiet().await;
        self.read_the_newest().await;
        self.quiet().await;
        if let Some(server) = &self.server {
            let leases = server.with_keys(|keys| keys.leases());
            self.expect(leases == 0, || format!("{leases} leases were not given up"));
        }
        self.close().await;
    }

    async fn quiet(&self) {
        let mut left = 3000;
        while left > 0 && !self.is_quiet() {
            left -= 1;
            yield_now().await;
        }
        self.expect(self.is_quiet(), || format!("no rest: {}", self.unrest()));
    }

    fn is_quiet(&self) -> bool {
        let idle = self.server.as_ref().is_none_or(|server| server.is_idle());
        let loaded = self.engines().all(|engine| engine.renewals.is_idle());
        idle && loaded && self.engines().all(|engine| tasks(engine) == (0, 0, false))
    }

    fn unrest(&self) -> String {
        let idle = self.server.as_ref().is_none_or(|server| server.is_idle());
        let tasks: Vec<_> = self.engines().map(tasks).collect();
        format!("server idle: {idle}, (queue, slots, bypassed) of each process: {tasks:?}")
    }

    /// Now that no write is under way, nobody is given an old version.
    async fn read_the_newest(&self) {
        let newest = self.db.version();
        for cache in &self.caches {
            for key in self.keys().into_iter().flat_map(|key| [key.clone(), key]) {
                let load = async || Ok::<_, ()>(self.db.version());
                let found = match &self.tag {
                    Some(tag) => {
                        cache.tagged([tag.clone()]).get_or_load(key, &reader::POLICY, load).await
                    }
                    None => cache.get_or_load(key, &reader::POLICY, load).await,
                };
                self.db.check(newest, Found::Version(found.unwrap_or_default()));
            }
        }
    }

    fn expect(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.db.complain(otherwise());
        }
    }

    /// Drops the handles: the workers end.
    async fn close(self) {
        let engines: Vec<Weak<Engine>> = self.engines().map(Arc::downgrade).collect();
        let Self { caches, db, .. } = self;
        drop(caches);
        let mut left = 1000;
        while left > 0 && engines.iter().any(|engine| engine.strong_count() > 0) {
            left -= 1;
            yield_now().await;
        }
        if engines.iter().any(|engine| engine.strong_count() > 0) {
            db.complain("an engine outlives its last handle".to_owned());
        }
    }
}

/// What an engine still has to do: invalidations, slots, and whether it is read past, or would be for some key.
fn tasks(engine: &Arc<Engine>) -> (usize, usize, bool) {
    let is_passed = engine.bypass_all.load(SeqCst) || engine.registry.has_dirty();
    (engine.queue.len(), engine.registry.len(), is_passed)
}

fn key(id: u64) -> Key {
    KeyBuf::new("row:<id>", |w| {
        w.literal("row:");
        w.segment(|w| id.write(w));
    })
    .into_key()
}
