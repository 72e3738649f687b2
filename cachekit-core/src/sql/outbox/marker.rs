//! Marking rows as done, many at once, after their keys were invalidated without a relay.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    mem,
    sync::Arc,
    time::Duration,
};

use sqlx::Pool;
use tokio::sync::Notify;

use super::{Backend, RowId};
use crate::sync::{self, Mutex, Runtime, lock};

/// How long a row waits for others.
const LINGER: Duration = Duration::from_millis(100);

/// How many rows one statement marks.
const BATCH: usize = 500;

/// How many rows may wait. The rest is left for a relay, which invalidates once more.
const LIMIT: usize = 10_000;

/// How long one statement may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The markers of one cache, one for each kind of database.
#[derive(Debug, Default)]
pub(crate) struct Markers(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Markers {
    /// Notes that the row has nothing left to be done. What is lost costs a duplicate.
    pub(crate) fn mark<DB: Backend>(&self, pool: &Pool<DB>, id: RowId) {
        self.of::<DB>().add(pool, id);
    }

    fn of<DB: Backend>(&self) -> Arc<Marker<DB>> {
        let mut markers = lock(&self.0);
        let marker = markers
            .entry(TypeId::of::<DB>())
            .or_insert_with(|| Arc::new(Marker::<DB>::default()))
            .clone();
        marker.downcast().expect("a marker is filed under its database's type")
    }
}

/// Rows of one kind of database that wait to be marked.
struct Marker<DB: Backend> {
    state: Mutex<State<DB>>,
    full: Notify,
}

struct State<DB: Backend> {
    waiting: Vec<(Pool<DB>, RowId)>,
    working: bool,
}

impl<DB: Backend> Default for Marker<DB> {
    fn default() -> Self {
        let state = State { waiting: Vec::new(), working: false };
        Self { state: Mutex::new(state), full: Notify::new() }
    }
}

impl<DB: Backend> Marker<DB> {
    fn add(self: Arc<Self>, pool: &Pool<DB>, id: RowId) {
        let start = {
            let mut state = lock(&self.state);
            if state.waiting.len() >= LIMIT {
                return;
            }
            state.waiting.push((pool.clone(), id));
            if state.waiting.len() == BATCH {
                self.full.notify_one();
            }
            !mem::replace(&mut state.working, true)
        };
        if start {
            Runtime::current().spawn(run(Alive(self)));
        }
    }

    /// What waits, or none and the end of the work.
    fn take(&self) -> Option<Vec<(Pool<DB>, RowId)>> {
        let mut state = lock(&self.state);
        let waiting = mem::take(&mut state.waiting);
        state.working = !waiting.is_empty();
        state.working.then_some(waiting)
    }
}

/// Marks until nothing came for a while.
async fn run<DB: Backend>(alive: Alive<DB>) {
    let marker = &alive.0;
    loop {
        let _or_full = sync::within(LINGER, marker.full.notified()).await;
        let Some(rows) = marker.take() else { return };
        for (pool, ids) in by_pool(rows) {
            for ids in ids.chunks(BATCH) {
                send(&pool, ids).await;
            }
        }
    }
}

async fn send<DB: Backend>(pool: &Pool<DB>, ids: &[RowId]) {
    match sync::within(PATIENCE, DB::done(pool, ids)).await {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "rows were not marked; a relay repeats them"),
        None => tracing::debug!("rows were not marked in time; a relay repeats them"),
    }
}

/// Rows of one pool together.
fn by_pool<DB: Backend>(rows: Vec<(Pool<DB>, RowId)>) -> Vec<(Pool<DB>, Vec<RowId>)> {
    let mut groups: Vec<(Pool<DB>, Vec<RowId>)> = Vec::new();
    for (pool, id) in rows {
        // The options lie inside of what the clones of a pool share.
        let same = |(other, _): &&mut (Pool<DB>, _)| std::ptr::eq(other.options(), pool.options());
        match groups.iter_mut().find(same) {
            Some((_, ids)) => ids.push(id),
            None => groups.push((pool, vec![id])),
        }
    }
    groups
}

/// Notes the end of the work, whatever ended it: its runtime may be gone before it begins.
struct Alive<DB: Backend>(Arc<Marker<DB>>);

impl<DB: Backend> Drop for Alive<DB> {
    fn drop(&mut self) {
        lock(&self.0.state).working = false;
    }
}
