//! The relay's loop.

use std::{sync::Arc, time::Duration};

use sqlx::Pool;
use tokio::sync::watch;
use tracing::Instrument as _;

use super::{settings::Settings, upkeep::Upkeep};
use crate::{
    engine::Engine,
    retry::{doubled, full_jitter},
    sql::outbox::{Backend, Claim, RowId},
    sync::{self, Instant},
};

/// A relay at work.
pub(super) struct Runner<DB: Backend> {
    pub(super) engine: Arc<Engine>,
    pub(super) pool: Pool<DB>,
    pub(super) settings: Settings,
    /// By which the database knows who holds a row.
    pub(super) name: String,
    /// Rows that were dealt with, and are not marked yet.
    pub(super) finished: Vec<RowId>,
    upkeep: Upkeep,
    /// The store was away since rows were last claimed.
    pub(super) away: bool,
    /// Since when the store is back, until every row was tried that waited for it.
    back: Option<Instant>,
    /// How often in a row the database failed.
    failures: u32,
}

/// What a turn of the loop left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// There are more rows, as a rule.
    More,
    /// Nothing is to be done for the moment.
    Rest,
}

impl<DB: Backend> Runner<DB> {
    pub(super) fn new(engine: Arc<Engine>, pool: Pool<DB>, settings: Settings) -> Self {
        Self {
            engine,
            pool,
            settings,
            name: RowId::new().to_string(),
            finished: Vec::new(),
            upkeep: Upkeep::default(),
            away: false,
            back: None,
            failures: 0,
        }
    }

    /// Works until it is told to stop, by a time or by the end of the channel.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<Option<Instant>>) {
        let mut changed = Box::pin(self.engine.store.changed());
        loop {
            let until = *stop.borrow_and_update();
            let turn = self.turn().await;
            if let Some(until) = until
                && (turn == Turn::Rest || sync::now() >= until)
            {
                return;
            }
            self.upkeep().await;
            let pause = if turn == Turn::More { Duration::ZERO } else { self.pause() };
            tokio::select! {
                biased;
                told = stop.changed() => if told.is_err() { return },
                () = &mut changed => {
                    changed = Box::pin(self.engine.store.changed());
                    // It may have come and gone since the last look.
                    self.away = true;
                }
                () = sync::sleep(pause) => {}
                () = self.engine.sql.wake.notified() => {}
            }
        }
    }

    fn pause(&self) -> Duration {
        let poll = self.settings.poll;
        match self.failures {
            0 => poll,
            failures => poll + full_jitter(doubled(poll, failures, Duration::from_secs(5))),
        }
    }

    /// One batch, if there is one. It takes no longer than the claim on its rows lasts.
    async fn turn(&mut self) -> Turn {
        let limit = self.settings.lease;
        let turn = sync::within(limit, self.batch()).await;
        match turn {
            Some(Ok(turn)) => {
                self.failures = 0;
                turn
            }
            Some(Err(error)) => self.failed(&error),
            None => self.failed(&std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    fn failed(&mut self, error: &sqlx::Error) -> Turn {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            tracing::warn!(%error, "the outbox cannot be read or marked; the relay tries again");
        }
        Turn::Rest
    }

    async fn batch(&mut self) -> sqlx::Result<Turn> {
        self.mark_finished().await?;
        if !self.engine.store.is_up() {
            self.away = true;
            return Ok(Turn::Rest);
        }
        if std::mem::take(&mut self.away) {
            self.back = Some(sync::now());
        }
        let claimed = sync::now();
        let rows = DB::claim(&self.pool, &self.claim(claimed)).await?;
        let count = rows.len();
        let last = count < self.settings.batch as usize;
        if last {
            self.back = None;
        }
        if rows.is_empty() {
            return Ok(Turn::Rest);
        }
        let span = tracing::debug_span!("cachekit.relay", rows = count);
        let turn = self.work(rows, claimed).instrument(span).await;
        self.mark_finished().await?;
        Ok(if last { Turn::Rest } else { turn })
    }

    fn claim(&self, now: Instant) -> Claim<'_> {
        Claim {
            relay: &self.name,
            namespace: self.engine.namespace(),
            limit: self.settings.batch,
            lease: self.settings.lease,
            hurry: self.back.map(|back| now.saturating_duration_since(back)),
        }
    }

    /// What cannot be marked is not forgotten, and nothing else is claimed until it is.
    async fn mark_finished(&mut self) -> sqlx::Result<()> {
        if !self.finished.is_empty() {
            DB::done(&self.pool, &self.finished).await?;
            self.finished.clear();
        }
        Ok(())
    }

    async fn upkeep(&mut self) {
        let Self { engine, pool, settings, .. } = self;
        let limit = settings.lease;
        let kept = sync::within(limit, self.upkeep.run(engine, pool, settings)).await;
        if let Some(Err(error)) = kept {
            tracing::debug!(%error, "the outbox's upkeep failed; it is tried again");
        }
    }
}
