//! A program that writes the database in SQL and knows nothing of any cache: its outbox row is all there is.

use std::{path::Path, time::Duration};

use cachekit::outbox::{OutboxRow, RowId};
use fastrand::Rng;
use sqlx::Pool;
use tokio::time::{self, Instant};

use crate::{
    clock,
    history::{Call, Event},
    host::Hosted,
    journal::Journal,
    rows,
    service::{ORDEAL, item},
};

/// Its number among the processes of a run.
pub(super) const PROCESS: u32 = 1_000_000;

/// Writes now and then until it is time, and says how often.
pub(super) async fn write<DB: Hosted>(
    pool: Pool<DB>,
    journal: &Path,
    keys: u32,
    until: Instant,
    mut rng: Rng,
) -> u64 {
    let mut journal = Journal::open(journal).expect("the journal");
    let mut written = 0;
    while Instant::now() < until {
        time::sleep(Duration::from_millis(rng.u64(50..250))).await;
        written += u64::from(write_one(&pool, &mut journal, rng.u32(..keys)).await);
    }
    written
}

/// Writes every item once, when nobody else does any more.
pub(super) async fn write_all<DB: Hosted>(pool: &Pool<DB>, journal: &Path, keys: u32) {
    let mut journal = Journal::open(journal).expect("the journal");
    for key in 0..keys {
        assert!(write_one(pool, &mut journal, key).await, "nobody else writes");
    }
}

/// Whether it could be written.
async fn write_one<DB: Hosted>(pool: &Pool<DB>, journal: &mut Journal, key: u32) -> bool {
    let invoked = clock::now();
    journal.begin(PROCESS, &[key], invoked).expect("the journal");
    let Ok(version) = raise(pool, key).await else { return false };
    let version = u64::try_from(version).expect("versions grow");
    // Nobody invalidates before it returns: it binds nobody until all is at rest.
    let call = Call::Write { version, applied: false };
    let event = Event { process: PROCESS, key, invoked, returned: clock::now(), call };
    journal.note(&event).expect("the journal");
    true
}

async fn raise<DB: Hosted>(pool: &Pool<DB>, key: u32) -> sqlx::Result<i64> {
    let mut tx = pool.begin().await?;
    let versions = rows::raise::<DB>(&mut tx, &[key]).await?;
    let keys = vec![item(key).as_str().to_owned()];
    let row =
        OutboxRow { id: RowId::new(), namespace: ORDEAL.to_owned(), keys, events: Vec::new() };
    DB::insert(&mut tx, &row).await?;
    tx.commit().await?;
    versions.first().copied().ok_or(sqlx::Error::RowNotFound)
}
