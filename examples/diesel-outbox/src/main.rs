//! Writes through diesel: the outbox's row goes into diesel's own transaction, and `Cache::settle` commits that on a
//! thread that may block.

use cachekit::outbox::{self, Dialect, OutboxRow, Relay};
use cachekit::sql::{BoxError, OutboxSink};
use cachekit::{Cache, Key, key};
use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use tokio::task::spawn_blocking;

type Transactions = AnsiTransactionManager;

diesel::table! {
    users (id) {
        id -> BigInt,
        name -> Text,
    }
}

/// Writes rows with diesel. A statement is short: it may block the task.
struct Rows<'a>(&'a mut SqliteConnection);

impl OutboxSink for Rows<'_> {
    async fn put(&mut self, row: &OutboxRow) -> Result<(), BoxError> {
        diesel::sql_query(OutboxRow::sql(Dialect::Sqlite))
            .bind::<Binary, _>(row.id.as_bytes().to_vec())
            .bind::<Text, _>(&row.namespace)
            .bind::<Text, _>(row.keys_json()?)
            .bind::<Text, _>(row.events_json()?)
            .bind::<BigInt, _>(row.respite_ms())
            .execute(self.0)?;
        Ok(())
    }
}

fn user_key(id: i64) -> Key {
    key!("user:<id>")
}

/// Renames a user.
async fn rename(
    mut db: SqliteConnection,
    pool: &sqlx::SqlitePool,
    cache: &Cache,
    user: i64,
    name: &str,
) -> Result<(), BoxError> {
    Transactions::begin_transaction(&mut db)?;
    diesel::update(users::table.find(user)).set(users::name.eq(name)).execute(&mut db)?;

    let mut pending = cache.pending().settling_on(pool);
    pending.invalidate(user_key(user));
    let written = pending.write(&mut Rows(&mut db)).await?;
    let commit = spawn_blocking(move || Transactions::commit_transaction(&mut db));
    let commit = async move { commit.await.expect("diesel does not panic") };
    let committed = cache.settle(written, commit).await?;
    println!("renamed; the invalidation is {}", committed.invalidation);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("users.db");
    let url = format!("sqlite://{}?mode=rwc", path.display());
    // The relay's own way to the database.
    let pool = sqlx::SqlitePool::connect(&url).await?;
    outbox::migrate(&pool).await?;
    let cache = Cache::builder().build()?;
    let relay = Relay::new(&cache, &pool).start();

    let connect = || SqliteConnection::establish(&path.display().to_string());
    let mut db = connect()?;
    diesel::sql_query("CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT NOT NULL)")
        .execute(&mut db)?;
    diesel::insert_into(users::table)
        .values((users::id.eq(7), users::name.eq("Ada")))
        .execute(&mut db)?;

    rename(connect()?, &pool, &cache, 7, "Grace").await?;
    let name: String = users::table.find(7).select(users::name).first(&mut db)?;
    assert_eq!(name, "Grace");
    println!("it is {name} now");
    relay.shutdown().await?;
    Ok(())
}
