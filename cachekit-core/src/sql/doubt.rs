//! Transactions whose COMMIT was sent, up to the moment when it is known what became of them.

use std::{sync::Arc, time::Duration};

use super::{
    Committed, ask,
    doubts::clean,
    home::Home,
    outbox::{OutboxRow, RowId, Verdict},
};
use crate::{
    cache::{Context, Outcome},
    engine::Engine,
    key::Key,
    retry::OutcomeUnknown,
    sync::{self, Runtime},
    write::Writers,
};

/// How long a caller waits for the database to say what became of its transaction.
const PATIENCE: Duration = Duration::from_secs(5);

/// A transaction whose COMMIT is under way. Dropped before it is known what became of it, its keys
/// are read past the cache until the database has said so.
#[derive(Debug)]
pub(super) struct InDoubt {
    engine: Arc<Engine>,
    id: RowId,
    namespace: String,
    keys: Vec<Key>,
    has_events: bool,
    home: Option<Box<dyn Home>>,
    /// Its keys are dirty in this process on its account.
    marked: bool,
    open: bool,
}

impl InDoubt {
    pub(super) fn new(
        engine: &Arc<Engine>,
        row: &OutboxRow,
        keys: Vec<Key>,
        home: Option<Box<dyn Home>>,
    ) -> Self {
        Self {
            engine: engine.clone(),
            id: row.id,
            namespace: row.namespace.clone(),
            keys,
            has_events: !row.events.is_empty(),
            home,
            marked: false,
            open: true,
        }
    }

    /// It is committed: invalidates in the poll that learnt of it.
    pub(super) async fn committed(mut self) -> Committed {
        self.open = false;
        let keys = std::mem::take(&mut self.keys);
        let marked = self.marked.then(|| keys.clone());
        let writers = Writers::submit(&self.engine, keys);
        clean(&self.engine, &marked.unwrap_or_default());
        let outcomes = writers.outcomes().await;
        let pending = outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Pending);
        note(outcomes);
        self.finish_row(pending);
        Committed::new(if pending { Outcome::Pending } else { Outcome::Applied })
    }

    /// Spares the relay a row that has nothing left to be done, and tells it of one that has.
    fn finish_row(&self, pending: bool) {
        match &self.home {
            _ if self.has_events => self.engine.sql.wake.notify_one(),
            Some(home) if !pending => home.mark(&self.engine.sql.markers, self.id),
            _ => {}
        }
    }

    /// Nothing was committed, and nothing will be.
    pub(super) fn aborted(mut self) {
        self.open = false;
        if self.marked {
            clean(&self.engine, &self.keys);
        }
    }

    /// The answer was lost. Asks the database, and answers in its place.
    pub(super) async fn settle(mut self, error: sqlx::Error) -> sqlx::Result<Committed> {
        match self.verdict().await {
            Some(Verdict::Committed) => Ok(self.committed().await),
            Some(Verdict::Aborted) => {
                self.aborted();
                Err(error)
            }
            None => Err(OutcomeUnknown::after(error)),
        }
    }

    /// Whether there is somebody to ask.
    pub(super) fn can_ask(&self) -> bool {
        self.home.is_some()
    }

    /// Nobody can be asked, and an error may be a refusal or a lost answer: without knowing,
    /// invalidates now and when a commit under way would be through.
    pub(super) fn invalidate_twice(mut self) {
        const LATER: Duration = Duration::from_secs(1);
        self.open = false;
        let keys = std::mem::take(&mut self.keys);
        keys.iter().for_each(|key| self.engine.queue.push_again(&self.engine, key, LATER));
        drop(Writers::submit(&self.engine, keys));
        self.engine.sql.wake.notify_one();
    }

    /// What became of it, if the database says so in time. Meanwhile this process reads past the
    /// cache.
    pub(super) async fn verdict(&mut self) -> Option<Verdict> {
        self.mark();
        let home = self.home.as_deref()?;
        sync::within(PATIENCE, ask::until_known(home, self.id, &self.namespace)).await
    }

    fn mark(&mut self) {
        if !std::mem::replace(&mut self.marked, true) {
            self.keys.iter().for_each(|key| self.engine.invalidate_locally(key, 1));
        }
    }

    fn leave_open(&mut self) {
        self.mark();
        let keys = std::mem::take(&mut self.keys);
        tracing::warn!(row = %self.id, "the outcome of a COMMIT is unknown; its keys are read past the cache");
        if keys.is_empty() {
            return;
        }
        // If it was committed by now, that is all; if it is to be, another one follows.
        drop(Writers::submit(&self.engine, keys.iter().cloned()));
        if !self.engine.sql.doubts.add(self.id, keys.clone()) {
            clean(&self.engine, &keys);
        } else if let Some(home) = self.home.take() {
            let engine = Arc::downgrade(&self.engine);
            let namespace = std::mem::take(&mut self.namespace);
            Runtime::current().spawn(ask::in_background(engine, home, self.id, namespace));
        }
    }
}

impl Drop for InDoubt {
    fn drop(&mut self) {
        if self.open {
            self.leave_open();
        }
    }
}

fn note(outcomes: Vec<(Key, Outcome)>) {
    Context::with(|context| {
        if let Some(receipts) = context.and_then(|context| context.receipts.as_ref()) {
            receipts.add(outcomes);
        }
    });
}
