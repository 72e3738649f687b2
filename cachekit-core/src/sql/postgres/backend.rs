//! What the outbox does in PostgreSQL.

use std::time::Duration;

use sqlx::{Connection, PgConnection, Pool, Postgres};

use super::{claim, tables::make_tables};
use crate::sql::{
    outbox::{
        Backend, Backlog, Claim, Claimed, OutboxRow, POSTGRES_SCHEMA, RowId, Verdict, micros,
        sealed::Sealed,
    },
    whole,
};

impl Sealed for Postgres {}

impl Backend for Postgres {
    async fn insert(conn: &mut PgConnection, row: &OutboxRow) -> sqlx::Result<()> {
        let insert = sqlx::query(
            "INSERT INTO cachekit_outbox (id, namespace, keys, events, available_at) VALUES \
             ($1::uuid, $2, $3, $4::json, clock_timestamp() + make_interval(secs => $5))",
        );
        let insert = insert.bind(row.id.to_string()).bind(&row.namespace).bind(&row.keys);
        let respite = row.respite().as_secs_f64();
        insert.bind(row.events_json()?).bind(respite).execute(conn).await?;
        Ok(())
    }

    async fn verdict(pool: &Pool<Self>, id: RowId, namespace: &str) -> sqlx::Result<Verdict> {
        whole(pool, async |conn| verdict(conn, id, namespace).await).await
    }

    async fn claim(pool: &Pool<Self>, claim: &Claim<'_>) -> sqlx::Result<Vec<Claimed>> {
        claim::claim(pool, claim).await
    }

    async fn done(pool: &Pool<Self>, ids: &[RowId]) -> sqlx::Result<()> {
        let done = sqlx::query(
            "UPDATE cachekit_outbox SET state = 1, done_at = now(), claimed_by = NULL, \
             claimed_until = NULL, last_error = NULL \
             WHERE id = ANY($1::text[]::uuid[]) AND state IN (0, 2)",
        );
        done.bind(texts(ids)).execute(pool).await?;
        Ok(())
    }

    async fn retry(
        pool: &Pool<Self>,
        relay: &str,
        id: RowId,
        after: Duration,
        error: &str,
    ) -> sqlx::Result<()> {
        let retry = sqlx::query(
            "UPDATE cachekit_outbox SET available_at = now() + make_interval(secs => $1), \
             last_error = $2, claimed_by = NULL, claimed_until = now() \
             WHERE id = $3::uuid AND state = 0 AND claimed_by = $4",
        );
        let retry = retry.bind(after.as_secs_f64()).bind(error).bind(id.to_string());
        retry.bind(relay).execute(pool).await?;
        Ok(())
    }

    async fn release(pool: &Pool<Self>, relay: &str, ids: &[RowId]) -> sqlx::Result<()> {
        let release = sqlx::query(
            "UPDATE cachekit_outbox SET claimed_by = NULL, claimed_until = NULL, \
             attempts = greatest(attempts - 1, 0) \
             WHERE id = ANY($1::text[]::uuid[]) AND state = 0 AND claimed_by = $2",
        );
        release.bind(texts(ids)).bind(relay).execute(pool).await?;
        Ok(())
    }

    async fn bury(pool: &Pool<Self>, relay: &str, id: RowId, error: &str) -> sqlx::Result<()> {
        let bury = sqlx::query(
            "UPDATE cachekit_outbox SET state = 2, last_error = $1, claimed_by = NULL, \
             claimed_until = NULL WHERE id = $2::uuid AND state = 0 AND claimed_by = $3",
        );
        bury.bind(error).bind(id.to_string()).bind(relay).execute(pool).await?;
        Ok(())
    }

    async fn redrive(pool: &Pool<Self>, namespace: &str) -> sqlx::Result<u64> {
        let redrive = sqlx::query(
            "UPDATE cachekit_outbox SET state = 0, attempts = 0, available_at = now() \
             WHERE namespace = $1 AND state = 2",
        );
        Ok(redrive.bind(namespace).execute(pool).await?.rows_affected())
    }

    async fn prune(
        pool: &Pool<Self>,
        namespace: &str,
        done_for: Duration,
        limit: u32,
    ) -> sqlx::Result<u64> {
        // The age bounds the search: a row is never done before it was written.
        let prune = sqlx::query(
            "WITH old AS (SELECT id FROM cachekit_outbox WHERE namespace = $1 \
             AND created_at < now() - make_interval(secs => $2) \
             AND (state = 1 AND done_at < now() - make_interval(secs => $2) \
             OR state = 9 AND created_at < now() - interval '1 day') \
             ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED) \
             DELETE FROM cachekit_outbox USING old WHERE cachekit_outbox.id = old.id",
        );
        let prune = prune.bind(namespace).bind(done_for.as_secs_f64()).bind(i64::from(limit));
        Ok(prune.execute(pool).await?.rows_affected())
    }

    async fn backlog(pool: &Pool<Self>, namespace: &str) -> sqlx::Result<Backlog> {
        let backlog = sqlx::query_as(
            "SELECT count(*), (SELECT count(*) FROM cachekit_outbox WHERE namespace = $1 AND state = 2), \
             (extract(epoch FROM now() - min(created_at)) * 1000000)::bigint \
             FROM cachekit_outbox WHERE namespace = $1 AND state = 0",
        );
        let (pending, dead, oldest): (i64, i64, Option<i64>) =
            backlog.bind(namespace).fetch_one(pool).await?;
        Ok(Backlog::new(pending, dead, oldest.map(micros)))
    }

    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        if is_complete(pool).await? {
            return Ok(());
        }
        make_tables(pool, POSTGRES_SCHEMA).await
    }
}

async fn verdict(conn: &mut PgConnection, id: RowId, namespace: &str) -> sqlx::Result<Verdict> {
    // With the stricter levels a row that was committed meanwhile would be an error.
    const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '1s'";
    let mut tx = conn.begin_with(BEGIN).await?;
    let poison = sqlx::query(
        "INSERT INTO cachekit_outbox (id, namespace, state) VALUES ($1::uuid, $2, 9) \
         ON CONFLICT (id) DO NOTHING",
    );
    let poison = poison.bind(id.to_string()).bind(namespace).execute(&mut *tx).await?;
    if poison.rows_affected() == 1 {
        tx.commit().await?;
        return Ok(Verdict::Aborted);
    }
    let state = sqlx::query_scalar("SELECT state FROM cachekit_outbox WHERE id = $1::uuid");
    let state = state.bind(id.to_string()).fetch_one(&mut *tx).await?;
    tx.rollback().await?;
    Ok(Verdict::of_state(state))
}

/// Whether there is nothing to create. `CREATE INDEX` asks for a lock before it looks, and would wait for every
/// transaction that writes to the outbox, with all later ones behind it.
async fn is_complete(pool: &Pool<Postgres>) -> sqlx::Result<bool> {
    let look = sqlx::query_scalar(
        "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(ARRAY['cachekit_outbox', \
         'cachekit_outbox_due', 'cachekit_outbox_dead', 'cachekit_outbox_age', 'cachekit_epoch']) AS name",
    );
    look.fetch_one(pool).await
}

fn texts(ids: &[RowId]) -> Vec<String> {
    ids.iter().map(RowId::to_string).collect()
}
