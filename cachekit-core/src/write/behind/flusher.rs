//! The task that writes what was accepted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::WriteBehindBuilder;
use super::flush::{Flush, Waiting};
use super::held::Held;
use crate::cache::Outcome;
use crate::events::{DEFAULT_RETENTION, Failure, Patience, Stop, cut};
use crate::redis::{Entry, Fields, Owner, StoreError, Stream};
use crate::retry::Tries;

/// Entries taken off the stream by one command.
const BATCH: usize = 256;

/// Writes while it has the role, and waits for the role while another has it.
#[derive(Debug)]
pub(super) struct Flusher {
    pub(super) stream: Stream,
    pub(super) dead: Stream,
    pub(super) owner: Owner,
    pub(super) flush: Flush,
    pub(super) wake: Arc<Notify>,
    pub(super) setup: WriteBehindBuilder,
}

/// What came of one look at the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Empty,
    /// All there was.
    All,
    /// There may be more.
    Full,
    Failed,
}

/// What came of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    Yes,
    NotNow,
}

impl Flusher {
    pub(super) async fn run(self, mut stop: Stop) {
        let mut patience = Patience::default();
        loop {
            let asked = Instant::now();
            match self.owner.own(self.setup.lease).await {
                Ok(true) => {
                    patience.worked();
                    let held = Held::since(asked, &self.owner, self.setup.lease);
                    if self.serve(held, &mut stop).await {
                        // If it cannot be told now, the lease runs out.
                        let _ = self.owner.disown().await;
                        return;
                    }
                }
                // Another process writes, and goes on to.
                Ok(false) if !stop.sleep(self.setup.lease / 3).await => return,
                Ok(false) => {}
                Err(_) if !patience.wait(&self.stream, &mut stop).await => return,
                Err(_) => {}
            }
        }
    }

    /// Writes until the role is lost (`false`), or it is time to stop and nothing is left.
    async fn serve(&self, mut held: Held<'_>, stop: &mut Stop) -> bool {
        let mut failures = 0;
        loop {
            let Some(round) = held.during(self.round()).await else { return false };
            failures = if round == Round::Failed { failures + 1 } else { 0 };
            match round {
                Round::Empty if stop.is_asked() => return true,
                Round::Full => continue,
                _ => {}
            }
            if held.during(self.rest(failures, stop)).await.is_none() {
                return false;
            }
        }
    }

    /// Until there may be more, or, after a failure, for longer each time.
    async fn rest(&self, failures: u32, stop: &mut Stop) {
        if failures > 0 {
            tokio::time::sleep(self.setup.policy.pause(failures)).await;
            return;
        }
        if stop.is_asked() {
            return;
        }
        tokio::select! {
            biased;
            () = stop.asked() => {}
            // Not at once: values that follow soon coalesce.
            () = pause_for_more(self.setup.every, &self.wake) => {}
        }
    }

    /// Looks at what waits longest, writes it, and takes off what was written.
    async fn round(&self) -> Round {
        let Ok(entries) = self.stream.range("-", self.setup.batch).await else {
            return Round::Failed;
        };
        let full = match entries.len() {
            0 => return Round::Empty,
            count => count == self.setup.batch,
        };
        let (waiting, odd) = self.flush.coalesce(entries);
        let settled = self.settle(&waiting, odd).await;
        match settled {
            Ok(Settled::Yes) if full => Round::Full,
            Ok(Settled::Yes) => Round::All,
            Ok(Settled::NotNow) | Err(_) => Round::Failed,
        }
    }

    async fn settle(
        &self,
        waiting: &[Waiting],
        odd: Vec<(Entry, String)>,
    ) -> Result<Settled, StoreError> {
        for (entry, reason) in odd {
            self.bury(&entry, &reason).await?;
        }
        if waiting.is_empty() {
            return Ok(Settled::Yes);
        }
        match self.flush.call(waiting).await {
            Ok(()) => self.written(waiting).await,
            Err(Failure::Away(_)) => Ok(Settled::NotNow),
            // One of them may be what the others fail for.
            Err(Failure::Failed(_) | Failure::Undecodable(_)) => self.one_by_one(waiting).await,
        }
    }

    async fn one_by_one(&self, waiting: &[Waiting]) -> Result<Settled, StoreError> {
        for one in waiting {
            if self.alone(one).await? == Settled::NotNow {
                return Ok(Settled::NotNow);
            }
        }
        Ok(Settled::Yes)
    }

    async fn alone(&self, one: &Waiting) -> Result<Settled, StoreError> {
        let mut tries = Tries::begin(self.setup.policy);
        loop {
            let reason = match self.flush.call(std::slice::from_ref(one)).await {
                Ok(()) => return self.written(std::slice::from_ref(one)).await,
                Err(Failure::Away(_)) => return Ok(Settled::NotNow),
                Err(Failure::Failed(reason) | Failure::Undecodable(reason)) => reason,
            };
            if !tries.pause().await {
                self.give_up(one, &reason).await?;
                return Ok(Settled::Yes);
            }
        }
    }

    /// Their keys are invalidated before they are taken off: else a process that ends between the two would leave an
    /// older value in the cache.
    async fn written(&self, waiting: &[Waiting]) -> Result<Settled, StoreError> {
        if let Some(cache) = &self.setup.cache {
            let keys = waiting.iter().map(|waiting| waiting.key.clone());
            let outcomes = cache.invalidate_many(keys).await;
            if outcomes.iter().any(|(_, outcome)| *outcome != Outcome::Applied) {
                return Ok(Settled::NotNow);
            }
        }
        let entries: Vec<_> = waiting.iter().flat_map(|waiting| waiting.entries.clone()).collect();
        for ids in entries.chunks(BATCH) {
            self.stream.delete(ids).await?;
        }
        Ok(Settled::Yes)
    }

    async fn give_up(&self, one: &Waiting, reason: &str) -> Result<(), StoreError> {
        let mut fields = Fields::default();
        fields.set("key", one.key.as_str());
        fields.set("payload", one.payload.clone());
        self.put_aside(fields, reason).await?;
        self.stream.delete(&one.entries).await
    }

    async fn bury(&self, entry: &Entry, reason: &str) -> Result<(), StoreError> {
        self.put_aside(entry.fields.clone().unwrap_or_default(), reason).await?;
        self.stream.delete(std::slice::from_ref(&entry.id)).await
    }

    async fn put_aside(&self, mut fields: Fields, reason: &str) -> Result<(), StoreError> {
        tracing::error!("an accepted value was given up; it lies in the dead letters");
        fields.set("reason", cut(reason));
        self.dead.add(&fields, DEFAULT_RETENTION).await.map(drop)
    }
}

/// A pause, which begins when there is something to wait for.
async fn pause_for_more(every: Duration, wake: &Notify) {
    // A value of another process wakes nobody here.
    let _ = tokio::time::timeout(every, wake.notified()).await;
    tokio::time::sleep(every).await;
}
