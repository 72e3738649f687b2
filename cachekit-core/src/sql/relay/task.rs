//! A relay that runs, and how it ends.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::Pool;
use tokio::{sync::watch, task::JoinHandle};

use super::{run::Runner, settings::Settings};
use crate::{
    engine::Engine,
    error::{Error, ErrorKind},
    sql::outbox::{Backend, Backlog},
    sync::{self, Instant},
};

/// How much longer than its time a relay may take to bring one batch to an end.
const GRACE: Duration = Duration::from_secs(2);

/// A relay that runs. Dropped, the relay ends after the rows it holds.
#[must_use = "dropped, the relay ends"]
pub struct RelayHandle<DB: Backend> {
    stop: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
    engine: Option<Arc<Engine>>,
    pool: Pool<DB>,
    drain: Duration,
}

impl<DB: Backend> RelayHandle<DB> {
    pub(super) fn start(engine: Option<Arc<Engine>>, pool: Pool<DB>, settings: Settings) -> Self {
        let (stop, stopped) = watch::channel(None);
        let drain = settings.drain;
        let runner = engine.clone().map(|engine| Runner::new(engine, pool.clone(), settings));
        let task = tokio::spawn(async move {
            if let Some(runner) = runner {
                runner.run(stopped).await;
            }
        });
        Self { stop, task, engine, pool, drain }
    }

    /// How much waits.
    ///
    /// # Errors
    ///
    /// Those of the database.
    ///
    /// # Cancel safety
    ///
    /// It only looks.
    pub async fn backlog(&self) -> sqlx::Result<Backlog> {
        match &self.engine {
            Some(engine) => DB::backlog(&self.pool, engine.namespace()).await,
            None => Ok(Backlog::default()),
        }
    }

    /// Makes every dead row of this namespace pending again, and says how many: once what was wrong is mended.
    ///
    /// # Errors
    ///
    /// Those of the database.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way it has done all of it or nothing.
    pub async fn redrive(&self) -> sqlx::Result<u64> {
        let Some(engine) = &self.engine else { return Ok(0) };
        let rows = DB::redrive(&self.pool, engine.namespace()).await?;
        engine.sql.wake.notify_one();
        Ok(rows)
    }

    /// Ends the relay: it finishes the rows it holds and those that are due, for up to
    /// [`drain_timeout`](super::Relay::drain_timeout).
    ///
    /// Nothing is lost of what is left: it stays in the table, for another relay or for the next start.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ShuttingDown`] if the relay had to be ended in mid-batch. The rows it held are free when their
    /// lease ends.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the relay ends after the rows it holds.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        self.stop.send_replace(Some(sync::now() + self.drain));
        if sync::within(self.drain + GRACE, &mut self.task).await.is_some() {
            return Ok(());
        }
        self.task.abort();
        let message = "it was in mid-batch; the rows it held are free when their lease ends";
        Err(Error::new(ErrorKind::ShuttingDown, "shut the relay down", message))
    }
}

impl<DB: Backend> fmt::Debug for RelayHandle<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayHandle")
            .field("ended", &self.task.is_finished())
            .finish_non_exhaustive()
    }
}
