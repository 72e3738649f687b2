//! What the outbox does in MySQL and MariaDB.

use std::time::Duration;

use sqlx::{Connection, MySql, MySqlConnection, Pool, QueryBuilder};

use super::claim;
use crate::sql::{
    outbox::{
        Backend, Backlog, Claim, Claimed, MYSQL_SCHEMA, OutboxRow, RowId, Verdict, micros,
        sealed::Sealed,
    },
    whole,
};

/// At the default level a search locks the gaps it passes, in which others want to insert.
pub(super) const BEGIN: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION";

impl Sealed for MySql {}

impl Backend for MySql {
    async fn insert(conn: &mut MySqlConnection, row: &OutboxRow) -> sqlx::Result<()> {
        let insert = sqlx::query(
            "INSERT INTO cachekit_outbox (id, namespace, `keys`, events, available_at) \
             VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)",
        );
        let insert = insert.bind(&row.id.as_bytes()[..]).bind(&row.namespace);
        let (keys, events) = (row.keys_json()?, row.events_json()?);
        insert.bind(keys).bind(events).bind(us(row.respite())).execute(conn).await?;
        Ok(())
    }

    async fn verdict(pool: &Pool<Self>, id: RowId, namespace: &str) -> sqlx::Result<Verdict> {
        let mut conn = pool.acquire().await?;
        // Nobody else is to be given a connection that waits a second only.
        conn.close_on_drop();
        sqlx::raw_sql("SET SESSION innodb_lock_wait_timeout = 1").execute(&mut *conn).await?;
        let mut tx = conn.begin_with(BEGIN).await?;
        let poison =
            sqlx::query("INSERT INTO cachekit_outbox (id, namespace, state) VALUES (?, ?, 9)");
        let poison = poison.bind(&id.as_bytes()[..]).bind(namespace).execute(&mut *tx).await;
        match poison {
            Ok(_) => {
                tx.commit().await?;
                Ok(Verdict::Aborted)
            }
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                let state = sqlx::query_scalar("SELECT state FROM cachekit_outbox WHERE id = ?");
                let state = state.bind(&id.as_bytes()[..]).fetch_one(&mut *tx).await;
                state.map(Verdict::of_state)
            }
            Err(error) => Err(error),
        }
    }

    async fn claim(pool: &Pool<Self>, claim: &Claim<'_>) -> sqlx::Result<Vec<Claimed>> {
        whole(pool, async |conn| claim::claim(conn, claim).await).await
    }

    async fn done(pool: &Pool<Self>, ids: &[RowId]) -> sqlx::Result<()> {
        for ids in ids.chunks(500) {
            let mut query = QueryBuilder::new(
                "UPDATE cachekit_outbox SET state = 1, done_at = UTC_TIMESTAMP(6), \
                 claimed_by = NULL, claimed_until = NULL, last_error = NULL \
                 WHERE state IN (0, 2) AND id IN (",
            );
            push_ids(&mut query, ids);
            let query = query.build().persistent(false);
            whole(pool, async |conn| query.execute(conn).await).await?;
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
        let retry = sqlx::query(
            "UPDATE cachekit_outbox SET available_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND, \
             last_error = ?, claimed_by = NULL, claimed_until = UTC_TIMESTAMP(6) \
             WHERE id = ? AND state = 0 AND claimed_by = ?",
        );
        let retry = retry.bind(us(after)).bind(error).bind(&id.as_bytes()[..]);
        let retry = retry.bind(relay);
        whole(pool, async |conn| retry.execute(conn).await).await?;
        Ok(())
    }

    async fn release(pool: &Pool<Self>, relay: &str, ids: &[RowId]) -> sqlx::Result<()> {
        for ids in ids.chunks(500) {
            let mut query = QueryBuilder::new(
                "UPDATE cachekit_outbox SET claimed_by = NULL, claimed_until = NULL, \
                 attempts = greatest(attempts - 1, 0) WHERE state = 0 AND claimed_by = ",
            );
            query.push_bind(relay).push(" AND id IN (");
            push_ids(&mut query, ids);
            let query = query.build().persistent(false);
            whole(pool, async |conn| query.execute(conn).await).await?;
        }
        Ok(())
    }

    async fn bury(pool: &Pool<Self>, relay: &str, id: RowId, error: &str) -> sqlx::Result<()> {
        let bury = sqlx::query(
            "UPDATE cachekit_outbox SET state = 2, last_error = ?, claimed_by = NULL, \
             claimed_until = NULL WHERE id = ? AND state = 0 AND claimed_by = ?",
        );
        let bury = bury.bind(error).bind(&id.as_bytes()[..]).bind(relay);
        whole(pool, async |conn| bury.execute(conn).await).await?;
        Ok(())
    }

    async fn redrive(pool: &Pool<Self>, namespace: &str) -> sqlx::Result<u64> {
        let redrive = sqlx::query(
            "UPDATE cachekit_outbox SET state = 0, attempts = 0, available_at = UTC_TIMESTAMP(6) \
             WHERE namespace = ? AND state = 2",
        );
        let redrive = redrive.bind(namespace);
        Ok(whole(pool, async |conn| redrive.execute(conn).await).await?.rows_affected())
    }

    async fn prune(
        pool: &Pool<Self>,
        namespace: &str,
        done_for: Duration,
        limit: u32,
    ) -> sqlx::Result<u64> {
        whole(pool, async |conn| claim::prune(conn, namespace, done_for, limit).await).await
    }

    async fn backlog(pool: &Pool<Self>, namespace: &str) -> sqlx::Result<Backlog> {
        let backlog = sqlx::query_as(
            "SELECT COUNT(*), (SELECT COUNT(*) FROM cachekit_outbox WHERE namespace = ? AND state = 2), \
             TIMESTAMPDIFF(MICROSECOND, MIN(created_at), UTC_TIMESTAMP(6)) \
             FROM cachekit_outbox WHERE namespace = ? AND state = 0",
        );
        let backlog = backlog.bind(namespace).bind(namespace);
        let (pending, dead, oldest): (i64, i64, Option<i64>) =
            whole(pool, async |conn| backlog.fetch_one(conn).await).await?;
        Ok(Backlog::new(pending, dead, oldest.map(micros)))
    }

    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        whole(pool, async |conn| sqlx::raw_sql(MYSQL_SCHEMA).execute(conn).await).await?;
        Ok(())
    }
}

pub(super) fn push_ids(query: &mut QueryBuilder<MySql>, ids: &[RowId]) {
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(&id.as_bytes()[..]);
    }
    query.push(")");
}

pub(super) fn us(duration: Duration) -> i64 {
    duration.as_micros().try_into().unwrap_or(i64::MAX)
}
