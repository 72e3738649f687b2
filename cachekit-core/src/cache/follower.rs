//! Applies what the tracking link tells to the copies in this process.

use std::sync::{Arc, OnceLock, Weak};

use crate::{clock::Clock, engine::Engine, key::KeyRef, redis::Sink, tier::Coherence};

/// The cache's end of the tracking link: there before the cache is.
#[derive(Debug)]
pub(super) struct Follower {
    coherence: Arc<Coherence>,
    clock: Clock,
    namespace: String,
    engine: OnceLock<Weak<Engine>>,
}

impl Follower {
    pub(super) fn new(coherence: Arc<Coherence>, clock: Clock, namespace: &str) -> Self {
        Self { coherence, clock, namespace: namespace.to_owned(), engine: OnceLock::new() }
    }

    pub(super) fn coherence(&self) -> &Arc<Coherence> {
        &self.coherence
    }

    /// Before this there are no copies.
    pub(super) fn attach(&self, engine: &Arc<Engine>) {
        self.engine.get_or_init(|| Arc::downgrade(engine));
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        self.engine.get()?.upgrade()
    }
}

impl Sink for Follower {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms().max(1)
    }

    fn primary(&self, incarnation: &str) {
        self.coherence.primary(incarnation);
    }

    fn open(&self) -> u64 {
        self.coherence.open()
    }

    fn up(&self, link: u64) {
        self.coherence.up(link);
    }

    fn changed(&self, key: &str) {
        if let Some(engine) = self.engine() {
            engine.changed(&KeyRef::of(key));
        }
    }

    fn flushed(&self) {
        self.coherence.flush();
    }

    fn echoed(&self, link: u64, sent_ms: u64) {
        if self.coherence.echo(link, sent_ms) {
            tracing::debug!(namespace = self.namespace, "copies in this process are served");
        }
    }

    fn lost(&self, link: u64) {
        self.coherence.lost(link);
    }

    fn tick(&self) {
        let Some(engine) = self.engine() else { return };
        let age_ms = self.coherence.age_ms(self.now_ms());
        engine.reporter.horizon(&self.namespace, age_ms);
    }
}
