//! What a relay does beside its work: it looks at the backlog, and deletes old rows.

use std::time::Duration;

use sqlx::Pool;

use super::settings::Settings;
use crate::{
    engine::Engine,
    sql::outbox::Backend,
    sync::{self, Instant},
};

/// How often the backlog is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How often old rows are looked for.
const PRUNE: Duration = Duration::from_secs(30);

/// How many rows one statement deletes.
const CHUNK: u32 = 1000;

/// When the next look and the next deletion are due.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    look: Option<Instant>,
    prune: Option<Instant>,
    /// The backlog is older than it may be, and somebody was told.
    late: bool,
}

impl Upkeep {
    /// Does what is due, one chunk at a time.
    pub(super) async fn run<DB: Backend>(
        &mut self,
        engine: &Engine,
        pool: &Pool<DB>,
        settings: &Settings,
    ) -> sqlx::Result<()> {
        let now = sync::now();
        if is_due(self.look, now) {
            self.look = Some(now + LOOK);
            self.look(engine, pool, settings).await?;
        }
        if is_due(self.prune, now) {
            self.prune = Some(now + PRUNE);
            let deleted = DB::prune(pool, engine.namespace(), settings.retention, CHUNK).await?;
            if deleted == u64::from(CHUNK) {
                self.prune = None;
            }
        }
        Ok(())
    }

    async fn look<DB: Backend>(
        &mut self,
        engine: &Engine,
        pool: &Pool<DB>,
        settings: &Settings,
    ) -> sqlx::Result<()> {
        let backlog = DB::backlog(pool, engine.namespace()).await?;
        let lag = backlog.oldest.unwrap_or_default();
        engine.reporter.backlog(engine.namespace(), backlog.pending, lag);
        let late = lag > settings.lag;
        if late && !self.late {
            tracing::warn!(
                pending = backlog.pending,
                lag_ms = lag.as_millis(),
                "the oldest row of the outbox waits for too long; is redis away, or no relay at work?"
            );
            settings.on_lag.call(&backlog);
        }
        self.late = late;
        Ok(())
    }
}

fn is_due(at: Option<Instant>, now: Instant) -> bool {
    at.is_none_or(|at| at <= now)
}
