//! What becomes of the rows of one batch.

use std::time::Duration;

use super::{
    dead::DeadRow,
    publish::publish,
    run::{Runner, Turn},
};
use crate::{
    retry::{doubled, full_jitter},
    sql::outbox::{Backend, Claimed, OutboxRow, RowId, Verdict},
    store::{Store, StoreError},
    sync::{self, Instant},
};

/// How many keys of several rows are invalidated before the time is looked at again.
const KEYS_AT_ONCE: usize = 10_000;

/// Pauses of a row that is refused.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why rows were not dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The store cannot be reached: not the rows' fault.
    Away,
    /// The store refused something.
    Refused(&'static str),
    /// It would never work.
    Hopeless(&'static str),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Down | StoreError::Unknown => Self::Away,
            refused => Self::Refused(refused.reason()),
        }
    }
}

/// A row that can be read, and what is known of it.
struct Sound {
    id: RowId,
    attempts: u32,
    age: Duration,
    row: OutboxRow,
}

impl<DB: Backend> Runner<DB> {
    /// Deals with the rows of a claim that was made at that time.
    pub(super) async fn work(&mut self, rows: Vec<Claimed>, claimed: Instant) -> Turn {
        let rows = self.bury_malformed(rows).await;
        let mut rest = &rows[..];
        while !rest.is_empty() {
            let (group, others) = rest.split_at(group_len(rest));
            for (row, unlinked) in group.iter().zip(unlink(&self.engine.store, group).await) {
                let result = match unlinked {
                    Ok(()) if row.row.events.is_empty() => Ok(()),
                    Ok(()) if self.is_late(claimed) => Err(Fault::Away),
                    Ok(()) => publish(&self.engine.store, &row.row.events).await,
                    refused => refused,
                };
                match result {
                    Ok(()) => self.finish(row, claimed),
                    Err(Fault::Away) => return self.give_back(rest).await,
                    Err(Fault::Refused(error)) => self.refused(row, error).await,
                    Err(Fault::Hopeless(error)) => self.bury(row.id, row.attempts, error).await,
                }
                rest = &rest[1..];
            }
            rest = others;
        }
        Turn::More
    }

    /// Whether the claim may end before another row is dealt with.
    fn is_late(&self, claimed: Instant) -> bool {
        sync::now().saturating_duration_since(claimed) > self.settings.lease / 2
    }

    fn finish(&mut self, row: &Sound, claimed: Instant) {
        let since = sync::now().saturating_duration_since(claimed);
        self.engine.sql.doubts.resolve(&self.engine, row.id, Verdict::Committed);
        self.engine.reporter.relayed(row.age + since);
        self.finished.push(row.id);
    }

    /// These were not tried, or without their fault in vain.
    async fn give_back(&mut self, rows: &[Sound]) -> Turn {
        self.away = !self.engine.store.is_up();
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let given = DB::release(&self.pool, &self.name, &ids).await;
        note("give back", given);
        Turn::Rest
    }

    async fn refused(&self, row: &Sound, error: &'static str) {
        if row.attempts >= self.settings.attempts {
            return self.bury(row.id, row.attempts, error).await;
        }
        let after = full_jitter(doubled(FIRST_PAUSE, row.attempts, LONGEST_PAUSE));
        tracing::debug!(row = %row.id, attempts = row.attempts, error, "a row was refused");
        note("put off", DB::retry(&self.pool, &self.name, row.id, after, error).await);
    }

    async fn bury_malformed(&self, rows: Vec<Claimed>) -> Vec<Sound> {
        let mut sound = Vec::with_capacity(rows.len());
        for Claimed { id, attempts, age, row } in rows {
            match row {
                Ok(row) => sound.push(Sound { id, attempts, age, row }),
                Err(error) => self.bury(id, attempts, &error).await,
            }
        }
        sound
    }

    async fn bury(&self, id: RowId, attempts: u32, error: &str) {
        match DB::bury(&self.pool, &self.name, id, error).await {
            Ok(()) => {
                self.engine.reporter.dead_row(self.engine.namespace(), &id, attempts, error);
                self.settings.on_dead.call(&DeadRow { id, attempts, error: error.to_owned() });
            }
            failed => note("bury", failed),
        }
    }
}

/// What the database was not told of a row it finds out itself, when the claim ends.
fn note(what: &'static str, result: sqlx::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, what, "the outbox did not take a note; its row comes back later");
    }
}

/// How many rows from the front are invalidated together.
fn group_len(rows: &[Sound]) -> usize {
    let mut keys = 0;
    let fits = |row: &&Sound| {
        keys += row.row.keys.len();
        keys <= KEYS_AT_ONCE
    };
    rows.iter().take_while(fits).count().max(1)
}

/// Invalidates the keys of all rows together, and says of each row whether all of its own are.
async fn unlink(store: &Store, rows: &[Sound]) -> Vec<Result<(), Fault>> {
    let keys: Vec<_> = rows.iter().flat_map(|row| &row.row.keys).map(String::as_str).collect();
    let mut results = store.unlink(&keys).await.into_iter();
    let mut of_row = |row: &Sound| {
        // All of its results are taken, or the next row would be given them.
        let of_keys: Vec<_> = results.by_ref().take(row.row.keys.len()).collect();
        of_keys.into_iter().collect::<Result<(), _>>().map_err(Fault::from)
    };
    rows.iter().map(&mut of_row).collect()
}
