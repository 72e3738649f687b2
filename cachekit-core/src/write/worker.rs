//! The task that sends invalidations.

use std::{sync::Arc, time::Duration};

use super::{backlog::Item, queue::Work};
use crate::{engine::Engine, store::StoreError, sync};

/// How long to wait before an interrupted sweep is begun anew.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Works until the cache is closed and nothing is left that has not had its quick tries.
pub(super) async fn run(alive: Alive) {
    let engine = &alive.0;
    loop {
        match engine.queue.next_work(engine) {
            Work::Send(items) => Batch::new(engine, items).send().await,
            Work::Again { added, refused } => {
                added.iter().for_each(|key| engine.invalidate_locally(key, 1));
                refused.iter().for_each(|key| engine.queue.refused(engine, key, 0));
            }
            Work::Sweep => sweep(engine).await,
            Work::Rest(until) => engine.queue.rest(engine, until).await,
            Work::Stop => return,
        }
    }
}

/// Invalidations on their way. Those that are dropped, with the runtime say, are tried again.
struct Batch<'a> {
    engine: &'a Engine,
    items: Vec<Item>,
    /// Why they did not get through, unless something says otherwise.
    error: StoreError,
    /// Others of the batch did.
    reached: bool,
}

impl<'a> Batch<'a> {
    fn new(engine: &'a Engine, items: Vec<Item>) -> Self {
        Self { engine, items, error: StoreError::Unknown, reached: false }
    }

    async fn send(mut self) {
        let keys: Vec<_> = self.items.iter().map(|item| item.key.as_str()).collect();
        let results = self.engine.store.unlink(&keys).await.into_iter();
        // None may be lost for want of an answer.
        let results = results.chain(std::iter::repeat(Err(StoreError::Unknown)));
        let items = std::mem::take(&mut self.items);
        let mut through = Vec::with_capacity(items.len());
        for (item, result) in items.into_iter().zip(results) {
            match result {
                Ok(()) => through.push(item),
                Err(error) => {
                    self.error = error;
                    self.items.push(item);
                }
            }
        }
        self.reached = !through.is_empty();
        if self.reached {
            self.engine.queue.sent(self.engine, through);
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let items = std::mem::take(&mut self.items);
        if !items.is_empty() {
            self.engine.queue.failed(self.engine, items, self.error, self.reached);
        }
    }
}

async fn sweep(engine: &Engine) {
    let done = engine.store.sweep().await.is_ok();
    engine.queue.swept(engine, done);
    if !done {
        sync::sleep(SWEEP_PAUSE).await;
    }
}

/// Notes the worker's end, whatever ended it: its runtime may be gone before it begins.
pub(super) struct Alive(Arc<Engine>);

impl Alive {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self(engine)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.queue.worker_gone();
    }
}
