//! What the outbox does in SQLite.

use std::{io, time::Duration};

use sqlx::{Pool, QueryBuilder, Sqlite, SqliteConnection};

use super::claim::{self, now};
use crate::{
    sql::outbox::{
        Backend, Backlog, Claim, Claimed, OutboxRow, RowId, SQLITE_SCHEMA, Verdict, sealed::Sealed,
    },
    sync,
};

/// How long a verdict may take; longer than that means that the writer is still at it.
const VERDICT: Duration = Duration::from_secs(1);

impl Sealed for Sqlite {}

impl Backend for Sqlite {
    async fn insert(conn: &mut SqliteConnection, row: &OutboxRow) -> sqlx::Result<()> {
        const INSERT: &str = concat!(
            "INSERT INTO cachekit_outbox (id, namespace, keys, events, available_at) ",
            "VALUES (?, ?, ?, ?, ",
            now!(),
            " + ?)",
        );
        let (keys, events) = (row.keys_json()?, row.events_json()?);
        let insert = sqlx::query(INSERT).bind(&row.id.as_bytes()[..]).bind(&row.namespace);
        insert.bind(keys).bind(events).bind(ms(row.respite())).execute(conn).await?;
        Ok(())
    }

    async fn verdict(pool: &Pool<Self>, id: RowId, namespace: &str) -> sqlx::Result<Verdict> {
        // A poison that is written after this has given up is found by whoever asks next.
        let verdict = sync::within(VERDICT, verdict(pool, id, namespace)).await;
        verdict.unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
    }

    async fn claim(pool: &Pool<Self>, claim: &Claim<'_>) -> sqlx::Result<Vec<Claimed>> {
        claim::claim(pool, claim).await
    }

    async fn done(pool: &Pool<Self>, ids: &[RowId]) -> sqlx::Result<()> {
        const DONE: &str = concat!(
            "UPDATE cachekit_outbox SET state = 1, done_at = ",
            now!(),
            ", claimed_by = NULL, claimed_until = NULL, last_error = NULL ",
            "WHERE state IN (0, 2) AND id IN (",
        );
        for ids in ids.chunks(500) {
            let mut query = QueryBuilder::new(DONE);
            push_ids(&mut query, ids);
            query.build().persistent(false).execute(pool).await?;
        }
        Ok(())
    }

    async fn retry(
        pool: &Pool<Self>,
        relay: &str,
        id: RowId,
        after: Duration,
        error: &str,
    ) -> sqlx::Result<()> {
        const RETRY: &str = concat!(
            "UPDATE cachekit_outbox SET available_at = ",
            now!(),
            " + ?, last_error = ?, claimed_by = NULL, claimed_until = ",
            now!(),
            " WHERE id = ? AND state = 0 AND claimed_by = ?",
        );
        let retry = sqlx::query(RETRY).bind(ms(after)).bind(error);
        retry.bind(&id.as_bytes()[..]).bind(relay).execute(pool).await?;
        Ok(())
    }

    async fn release(pool: &Pool<Self>, relay: &str, ids: &[RowId]) -> sqlx::Result<()> {
        for ids in ids.chunks(500) {
            let mut query = QueryBuilder::new(
                "UPDATE cachekit_outbox SET claimed_by = NULL, claimed_until = NULL, \
                 attempts = max(attempts - 1, 0) WHERE state = 0 AND claimed_by = ",
            );
            query.push_bind(relay).push(" AND id IN (");
            push_ids(&mut query, ids);
            query.build().persistent(false).execute(pool).await?;
        }
        Ok(())
    }

    async fn bury(pool: &Pool<Self>, relay: &str, id: RowId, error: &str) -> sqlx::Result<()> {
        let bury = sqlx::query(
            "UPDATE cachekit_outbox SET state = 2, last_error = ?, claimed_by = NULL, claimed_until = NULL \
             WHERE id = ? AND state = 0 AND claimed_by = ?",
        );
        bury.bind(error).bind(&id.as_bytes()[..]).bind(relay).execute(pool).await?;
        Ok(())
    }

    async fn redrive(pool: &Pool<Self>, namespace: &str) -> sqlx::Result<u64> {
        const REDRIVE: &str = concat!(
            "UPDATE cachekit_outbox SET state = 0, attempts = 0, available_at = ",
            now!(),
            " WHERE namespace = ? AND state = 2",
        );
        Ok(sqlx::query(REDRIVE).bind(namespace).execute(pool).await?.rows_affected())
    }

    async fn prune(
        pool: &Pool<Self>,
        namespace: &str,
        done_for: Duration,
        limit: u32,
    ) -> sqlx::Result<u64> {
        // The age bounds the search: a row is never done before it was written.
        const PRUNE: &str = concat!(
            "DELETE FROM cachekit_outbox WHERE id IN (SELECT id FROM cachekit_outbox ",
            "WHERE namespace = ?1 AND created_at < ",
            now!(),
            " - ?2 AND (state = 1 AND done_at < ",
            now!(),
            " - ?2 OR state = 9 AND created_at < ",
            now!(),
            " - 86400000) ORDER BY created_at LIMIT ?3)",
        );
        let prune = sqlx::query(PRUNE).bind(namespace).bind(ms(done_for)).bind(limit);
        Ok(prune.execute(pool).await?.rows_affected())
    }

    async fn backlog(pool: &Pool<Self>, namespace: &str) -> sqlx::Result<Backlog> {
        const BACKLOG: &str = concat!(
            "SELECT count(*), max(",
            now!(),
            " - created_at), (SELECT count(*) FROM cachekit_outbox WHERE namespace = ?1 AND state = 2) ",
            "FROM cachekit_outbox WHERE namespace = ?1 AND state = 0",
        );
        let (pending, oldest, dead): (i64, Option<i64>, i64) =
            sqlx::query_as(BACKLOG).bind(namespace).fetch_one(pool).await?;
        Ok(Backlog::new(pending, dead, oldest.map(claim::age)))
    }

    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        // The lock first: two that begin by reading cannot both go on to write.
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(SQLITE_SCHEMA).execute(&mut *tx).await?;
        tx.commit().await
    }
}

async fn verdict(pool: &Pool<Sqlite>, id: RowId, namespace: &str) -> sqlx::Result<Verdict> {
    let poison = sqlx::query(
        "INSERT INTO cachekit_outbox (id, namespace, state) VALUES (?, ?, 9) ON CONFLICT (id) DO NOTHING",
    );
    let poison = poison.bind(&id.as_bytes()[..]).bind(namespace).execute(pool).await?;
    if poison.rows_affected() == 1 {
        return Ok(Verdict::Aborted);
    }
    let state = sqlx::query_scalar("SELECT state FROM cachekit_outbox WHERE id = ?");
    state.bind(&id.as_bytes()[..]).fetch_one(pool).await.map(Verdict::of_state)
}

fn push_ids(query: &mut QueryBuilder<Sqlite>, ids: &[RowId]) {
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(&id.as_bytes()[..]);
    }
    query.push(")");
}

pub(super) fn ms(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX / 4)
}
