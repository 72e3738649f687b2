//! Writes through sea-orm: the outbox's row goes into sea-orm's own transaction, and `Cache::settle` commits that.

use cachekit::outbox::{self, Dialect, OutboxRow, Relay};
use cachekit::sql::{BoxError, OutboxSink};
use cachekit::{Cache, cached, key};
use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    Statement, TransactionTrait as _, Value,
};

/// Writes rows with sea-orm.
struct Rows<'a>(&'a DatabaseTransaction);

impl OutboxSink for Rows<'_> {
    async fn put(&mut self, row: &OutboxRow) -> Result<(), BoxError> {
        let values: [Value; 5] = [
            row.id.as_bytes().to_vec().into(),
            row.namespace.clone().into(),
            row.keys_json()?.into(),
            row.events_json()?.into(),
            row.respite_ms().into(),
        ];
        let sql = OutboxRow::sql(Dialect::Sqlite);
        let insert = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
        self.0.execute_raw(insert).await?;
        Ok(())
    }
}

#[cached(key = "user:<id>", ttl = "10m", cache = cache)]
async fn user_name(
    db: &DatabaseConnection,
    cache: &Cache,
    id: i64,
) -> Result<Option<String>, DbErr> {
    let sql = "SELECT name FROM users WHERE id = ?";
    let select = Statement::from_sql_and_values(DbBackend::Sqlite, sql, [id.into()]);
    let row = db.query_one_raw(select).await?;
    row.map(|row| row.try_get("", "name")).transpose()
}

async fn rename(
    db: &DatabaseConnection,
    cache: &Cache,
    id: i64,
    name: &str,
) -> Result<(), BoxError> {
    let tx = db.begin().await?;
    let sql = "UPDATE users SET name = ? WHERE id = ?";
    let update = Statement::from_sql_and_values(DbBackend::Sqlite, sql, [name.into(), id.into()]);
    tx.execute_raw(update).await?;

    let mut pending = cache.pending().settling_on(db.get_sqlite_connection_pool());
    pending.invalidate(key!("user:<id>"));
    let written = pending.write(&mut Rows(&tx)).await?;
    let committed = cache.settle(written, tx.commit()).await?;
    println!("renamed; the invalidation is {}", committed.invalidation);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let db = Database::connect("sqlite::memory:").await?;
    let pool = db.get_sqlite_connection_pool().clone();
    outbox::migrate(&pool).await?;
    db.execute_unprepared("CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT)").await?;
    db.execute_unprepared("INSERT INTO users VALUES (7, 'Ada')").await?;
    let cache = Cache::builder().build()?;
    let relay = Relay::new(&cache, &pool).start();

    println!("before: {:?}", user_name(&db, &cache, 7).await?);
    rename(&db, &cache, 7, "Grace").await?;
    let after = user_name(&db, &cache, 7).await?;
    println!("after: {after:?}");
    assert_eq!(after.as_deref(), Some("Grace"));
    relay.shutdown().await?;
    Ok(())
}
