//! The outbox in a transaction that is not cachekit's.

use cachekit::{
    Outcome, Status,
    outbox::{Dialect, OutboxRow},
    sql::{BoxError, OutboxSink},
};
use cachekit_tests::item;
use sqlx::{MySqlConnection, PgConnection, Pool, SqliteConnection};

use super::database::Bench;
use super::{Items, on_mariadb, on_postgres, on_sqlite};

/// Writes rows by a statement on a connection.
pub(crate) struct Sink<'a, C>(pub(crate) &'a mut C);

impl OutboxSink for Sink<'_, SqliteConnection> {
    async fn put(&mut self, row: &OutboxRow) -> Result<(), BoxError> {
        let put = sqlx::query(OutboxRow::sql(Dialect::Sqlite)).bind(row.id.as_bytes().to_vec());
        let put = put.bind(row.namespace.clone()).bind(row.keys_json()?);
        put.bind(row.events_json()?).bind(row.respite_ms()).execute(&mut *self.0).await?;
        Ok(())
    }
}

impl OutboxSink for Sink<'_, MySqlConnection> {
    async fn put(&mut self, row: &OutboxRow) -> Result<(), BoxError> {
        let put = sqlx::query(OutboxRow::sql(Dialect::MySql)).bind(row.id.as_bytes().to_vec());
        let put = put.bind(row.namespace.clone()).bind(row.keys_json()?);
        put.bind(row.events_json()?).bind(row.respite_ms()).execute(&mut *self.0).await?;
        Ok(())
    }
}

impl OutboxSink for Sink<'_, PgConnection> {
    async fn put(&mut self, row: &OutboxRow) -> Result<(), BoxError> {
        let put = sqlx::query(OutboxRow::sql(Dialect::Postgres)).bind(row.id.to_string());
        let put = put.bind(row.namespace.clone()).bind(row.keys_json()?);
        put.bind(row.events_json()?).bind(row.respite_ms()).execute(&mut *self.0).await?;
        Ok(())
    }
}

async fn settled<DB: Items>(pool: &Pool<DB>)
where
    for<'a> Sink<'a, DB::Connection>: OutboxSink,
{
    let bench = Bench::new(pool).await;
    bench.warm(1).await;
    let mut tx = pool.begin().await.unwrap();
    DB::set(&mut tx, 1, 7).await.unwrap();
    let mut pending = bench.cache.pending().settling_on(pool);
    pending.invalidate(item(1));
    pending.invalidate_tag(item(2));
    let written = pending.write(&mut Sink(&mut *tx)).await.unwrap();
    assert_eq!(bench.read(1).await, (1, Status::Hit));
    let committed = bench.cache.settle(written, tx.commit()).await.unwrap();
    assert_eq!(committed.invalidation, Outcome::Applied);
    assert_eq!(bench.read(1).await, (7, Status::Loaded));
    bench.until_states(&[1]).await;
    let mut keys = bench.keys().await;
    assert_eq!(keys.pop().as_deref(), Some("~t:item:2"));
    assert_eq!(keys.pop().as_deref(), Some("item:1"));
}

/// A failed commit is asked about where there is somebody to ask.
async fn failed<DB: Items>(pool: &Pool<DB>)
where
    for<'a> Sink<'a, DB::Connection>: OutboxSink,
{
    for (asks, hides_a_commit) in [(true, false), (true, true), (false, false), (false, true)] {
        let bench = Bench::new(pool).await;
        bench.warm(1).await;
        let mut tx = pool.begin().await.unwrap();
        DB::set(&mut tx, 1, 7).await.unwrap();
        let mut pending = bench.cache.pending();
        if asks {
            pending = pending.settling_on(pool);
        }
        pending.invalidate(item(1));
        let written = pending.write(&mut Sink(&mut *tx)).await.unwrap();
        let commit = async move {
            match hides_a_commit {
                true => tx.commit().await.unwrap(),
                false => tx.rollback().await.unwrap(),
            }
            Err("the answer was lost")
        };
        let outcome = bench.cache.settle(written, commit).await;
        assert_eq!(outcome.is_ok(), asks && hides_a_commit);
        assert_eq!(bench.read(1).await.0, if hides_a_commit { 7 } else { 1 });
    }
}

async fn both<DB: Items>(pool: Pool<DB>)
where
    for<'a> Sink<'a, DB::Connection>: OutboxSink,
{
    settled(&pool).await;
    failed(&pool).await;
}

#[tokio::test]
async fn a_row_is_written_by_other_means_in_sqlite() {
    on_sqlite(both).await;
}

#[tokio::test]
async fn a_row_is_written_by_other_means_in_postgres() {
    on_postgres(|pool, _server| both(pool)).await;
}

#[tokio::test]
async fn a_row_is_written_by_other_means_in_mariadb() {
    on_mariadb(|pool, _server| both(pool)).await;
}
