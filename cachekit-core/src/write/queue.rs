//! The queue of invalidations that have not reached the store.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use super::{
    DeadLetter,
    backlog::{Backlog, Item, pause},
    timetable::Timetable,
    worker::{self, Alive},
};
use crate::{
    cache::Limits,
    engine::Engine,
    key::Key,
    observe::Hook,
    store::StoreError,
    sync::{self, Instant, Mutex, lock},
};

/// How many keys one batch of commands invalidates.
const BATCH: usize = 256;

/// Invalidations on their way, keyed and coalesced by key, with a worker that is started by the
/// first of them.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Something is to be done.
    wake: Notify,
    /// Nothing is left to be done.
    idle: Notify,
    limits: Limits,
    hook: Hook<DeadLetter>,
    runtime: sync::Runtime,
}

#[derive(Debug, Default)]
struct State {
    backlog: Backlog,
    /// Keys to invalidate once more.
    delayed: Timetable<Key>,
    /// Some key had no room since the last sweep began: every entry of the namespace has to go.
    sweep: bool,
    sweeping: bool,
    /// A batch found no connection.
    down: bool,
    /// Whether the store takes invalidations, as far as the last batch could tell.
    reaches: bool,
    failed_sweeps: u32,
    working: bool,
    closed: bool,
}

/// What the worker is to do.
#[derive(Debug)]
pub(super) enum Work {
    Send(Vec<Item>),
    /// Keys to invalidate once more: those that are in the backlog now, and those that had no room.
    Again {
        added: Vec<Key>,
        refused: Vec<Key>,
    },
    Sweep,
    Rest(Option<Instant>),
    Stop,
}

impl Queue {
    pub(crate) fn new(limits: Limits, hook: Hook<DeadLetter>) -> Self {
        Self {
            state: Mutex::new(State::default()),
            wake: Notify::new(),
            idle: Notify::new(),
            limits,
            hook,
            runtime: sync::Runtime::current(),
        }
    }

    /// Adds a writer of `key`, which is already dirty for it, and says when it is through. Without
    /// room the whole cache is read past until everything in the store was deleted.
    pub(super) fn push(&self, engine: &Arc<Engine>, key: &Key) -> Option<oneshot::Receiver<()>> {
        let (waiter, through) = oneshot::channel();
        let added = {
            let mut state = lock(&self.state);
            let added = state.backlog.add(key, Some(waiter), self.limits.queue_limit);
            if added.is_err() {
                state.overflow(engine);
            }
            added
        };
        if added.is_err() {
            self.refused(engine, key, 1);
        }
        self.work(engine);
        added.ok().map(|()| through)
    }

    /// Notes a second invalidation of `key` for later.
    pub(crate) fn push_again(&self, engine: &Arc<Engine>, key: &Key, after: Duration) {
        let due = sync::now() + after;
        let added = {
            let mut state = lock(&self.state);
            let room = state.delayed.len() < self.limits.queue_limit;
            if room {
                state.delayed.add(due, key.clone());
            }
            room
        };
        if !added {
            self.dead_letter(engine, key, 0);
        }
        self.work(engine);
    }

    /// Wakes the worker, or starts it.
    fn work(&self, engine: &Arc<Engine>) {
        let start = !std::mem::replace(&mut lock(&self.state).working, true);
        if start {
            self.runtime.spawn(worker::run(Alive::new(engine.clone())));
        } else {
            self.wake.notify_one();
        }
    }

    pub(super) fn next_work(&self, engine: &Engine) -> Work {
        let now = sync::now();
        let mut state = lock(&self.state);
        let again = state.delayed.take_due(now);
        if !again.is_empty() {
            return state.again(engine, again, self.limits.queue_limit);
        }
        if state.is_sweep_due(&self.limits) {
            // A key that has no room from now on may be one that this sweep has passed.
            state.sweep = false;
            state.sweeping = true;
            return Work::Sweep;
        }
        let batch = state.backlog.take_due(now, BATCH);
        if !batch.is_empty() {
            return Work::Send(batch);
        }
        if state.closed && state.is_done(&self.limits) {
            // Under this lock: what is pushed from now on starts a worker of its own.
            state.working = false;
            return Work::Stop;
        }
        if state.is_empty() {
            self.idle.notify_waiters();
        }
        Work::Rest(state.backlog.next_due().into_iter().chain(state.delayed.next_due()).min())
    }

    /// Waits until there may be work again.
    pub(super) async fn rest(&self, engine: &Engine, until: Option<Instant>) {
        // Counted from here, so that a connection that comes between the look and the wait is seen.
        let changed = engine.store.changed();
        if engine.store.is_up() && lock(&self.state).hurry_after_down() {
            return;
        }
        let due = async {
            match until {
                Some(until) => sync::sleep(until.saturating_duration_since(sync::now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.wake.notified() => {}
            () = changed => lock(&self.state).backlog.hurry(),
            () = due => {}
        }
    }

    /// `key` had no room and waits for a sweep; `writers` of it are marked.
    pub(super) fn refused(&self, engine: &Engine, key: &Key, writers: u32) {
        engine.clean(key, writers);
        self.dead_letter(engine, key, 0);
    }

    /// These reached the store: their writers are through.
    pub(super) fn sent(&self, engine: &Engine, batch: Vec<Item>) {
        let reached = std::mem::replace(&mut lock(&self.state).reaches, true);
        for item in batch {
            engine.clean(&item.key, item.writers);
            lock(&self.state).backlog.sent(&item);
            let took = sync::now().saturating_duration_since(item.since);
            engine.reporter.applied(item.key.template(), took);
            for waiter in item.waiters {
                // A writer that no longer waits knows it as pending.
                let _still_waits = waiter.send(());
            }
        }
        if !reached {
            // It takes them again: what it refused before need not wait for its slow retry.
            lock(&self.state).backlog.hurry();
        }
    }

    /// These may not have reached the store, though others of their batch did if it was `reached`: they are tried again.
    pub(super) fn failed(
        &self,
        engine: &Engine,
        batch: Vec<Item>,
        error: StoreError,
        reached: bool,
    ) {
        lock(&self.state).down |= error == StoreError::Down;
        for mut item in batch {
            // A key that is refused again and again may be refused for itself.
            if !reached && (error != StoreError::Refused || item.tries == 0) {
                lock(&self.state).reaches = false;
            }
            item.tries += 1;
            let (key, tries) = (item.key.clone(), item.tries);
            let due = sync::now() + pause(tries, self.limits.quick_tries);
            let slow = tries >= self.limits.quick_tries;
            lock(&self.state).backlog.failed(item, due, slow);
            if tries == self.limits.quick_tries {
                self.dead_letter(engine, &key, tries);
            }
        }
    }

    pub(super) fn swept(&self, engine: &Engine, done: bool) {
        let mut state = lock(&self.state);
        state.sweeping = false;
        state.sweep |= !done;
        state.reaches &= done;
        state.failed_sweeps = if done { 0 } else { state.failed_sweeps + 1 };
        if !state.sweep {
            engine.bypass_all.store(false, Ordering::Release);
        }
    }

    fn dead_letter(&self, engine: &Engine, key: &Key, tries: u32) {
        engine.reporter.dead_letter(key.template(), tries);
        self.hook.call(&DeadLetter { key: key.clone(), tries });
    }

    /// The worker is gone; the next invalidation starts another.
    pub(super) fn worker_gone(&self) {
        {
            let mut state = lock(&self.state);
            state.working = false;
            state.sweep |= std::mem::take(&mut state.sweeping);
        }
        self.idle.notify_waiters();
    }

    /// How many keys wait.
    pub(crate) fn len(&self) -> usize {
        let state = lock(&self.state);
        state.backlog.len() + state.delayed.len()
    }

    /// Waits until nothing is left, at most for `limit`, and says how many keys are.
    pub(crate) async fn drain(&self, limit: Duration) -> usize {
        let empty = async {
            loop {
                let idle = self.idle.notified();
                if lock(&self.state).is_empty() {
                    return;
                }
                idle.await;
            }
        };
        let _in_time = sync::within(limit, empty).await;
        self.len()
    }

    /// No handle is left: the worker stops when everything has had its quick tries.
    pub(crate) fn close(&self) {
        lock(&self.state).closed = true;
        self.wake.notify_one();
    }
}

impl State {
    /// Under the lock that ends a sweep: else that could end the bypass in between.
    fn overflow(&mut self, engine: &Engine) {
        self.sweep = true;
        engine.bypass_all.store(true, Ordering::Release);
    }

    /// Moves due second invalidations to the backlog, so that they are seen to be pending all the
    /// time. They are sent only after the worker has marked them.
    fn again(&mut self, engine: &Engine, keys: Vec<Key>, limit: usize) -> Work {
        let (added, refused) = keys
            .into_iter()
            .partition::<Vec<_>, _>(|key| self.backlog.add(key, None, limit).is_ok());
        if !refused.is_empty() {
            self.overflow(engine);
        }
        Work::Again { added, refused }
    }

    /// Makes everything due if it failed for want of a connection.
    fn hurry_after_down(&mut self) -> bool {
        let down = std::mem::take(&mut self.down);
        if down {
            self.backlog.hurry();
        }
        down
    }

    /// Once the store is there again: to wait until no key is left would be for ever on a busy day.
    fn is_sweep_due(&self, limits: &Limits) -> bool {
        let in_vain = self.closed && self.failed_sweeps >= limits.quick_tries;
        self.sweep && (self.reaches || self.backlog.is_empty()) && !in_vain
    }

    fn is_empty(&self) -> bool {
        self.backlog.is_empty() && self.delayed.is_empty() && !self.sweep && !self.sweeping
    }

    fn is_done(&self, limits: &Limits) -> bool {
        self.delayed.is_empty() && self.backlog.is_exhausted(limits.quick_tries)
    }
}
