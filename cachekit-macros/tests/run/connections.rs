//! Connections: asked whether a transaction is open.

use cachekit::{InTransaction, cached, invalidates, isolated};
use sqlx::{Connection as _, Executor, Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::support::Runs;

async fn pool() -> SqlitePool {
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    pool.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL)").await.unwrap();
    pool.execute("INSERT INTO users VALUES (7, 'Ada')").await.unwrap();
    pool
}

const NAME: &str = "SELECT name FROM users WHERE id = ?";

#[cached(key = "borrowed:<id>", ttl = "1h")]
async fn borrowed(db: &mut SqliteConnection, runs: &Runs, id: i64) -> sqlx::Result<Option<String>> {
    runs.next();
    sqlx::query_scalar(NAME).bind(id).fetch_optional(&mut *db).await
}

#[tokio::test]
#[isolated]
async fn borrowed_connection_loads_once() {
    let pool = pool().await;
    let mut db = pool.acquire().await.unwrap();
    let runs = Runs::default();
    assert_eq!(borrowed(&mut db, &runs, 7).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(borrowed(&mut db, &runs, 7).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(runs.so_far(), 1);
}

#[tokio::test]
#[isolated]
async fn read_in_transaction_bypasses() {
    let pool = pool().await;
    let mut db = pool.acquire().await.unwrap();
    let runs = Runs::default();
    let mut tx = db.begin().await.unwrap();
    tx.execute("UPDATE users SET name = 'Eve' WHERE id = 7").await.unwrap();
    assert_eq!(borrowed(&mut tx, &runs, 7).await.unwrap().as_deref(), Some("Eve"));
    tx.rollback().await.unwrap();
    assert_eq!(borrowed(&mut db, &runs, 7).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(runs.so_far(), 2);
}

#[cached(key = "in_tx:<id>", ttl = "1h")]
async fn in_tx(
    tx: &mut Transaction<'_, Sqlite>,
    runs: &Runs,
    id: i64,
) -> sqlx::Result<Option<String>> {
    runs.next();
    sqlx::query_scalar(NAME).bind(id).fetch_optional(&mut **tx).await
}

#[cached(key = "owned_tx:<id>", ttl = "1h")]
async fn owned_tx(
    mut tx: Transaction<'_, Sqlite>,
    runs: &Runs,
    id: i64,
) -> sqlx::Result<Option<String>> {
    runs.next();
    sqlx::query_scalar(NAME).bind(id).fetch_optional(&mut *tx).await
}

#[tokio::test]
#[isolated]
async fn a_transaction_is_always_in_one() {
    let pool = pool().await;
    let runs = Runs::default();
    let mut tx = pool.begin().await.unwrap();
    in_tx(&mut tx, &runs, 7).await.unwrap();
    in_tx(&mut tx, &runs, 7).await.unwrap();
    assert_eq!(runs.so_far(), 2);
    owned_tx(tx, &runs, 7).await.unwrap();
    owned_tx(pool.begin().await.unwrap(), &runs, 7).await.unwrap();
    assert_eq!(runs.so_far(), 4);
}

#[cached(key = "generic_connection:<id>", ttl = "1h")]
async fn generic_connection<C: sqlx::Connection>(
    db: &mut C,
    runs: &Runs,
    id: i64,
) -> sqlx::Result<i64> {
    db.ping().await?;
    runs.next();
    Ok(id)
}

#[tokio::test]
#[isolated]
async fn a_generic_connection_is_asked_too() {
    let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let runs = Runs::default();
    let mut tx = db.begin().await.unwrap();
    generic_connection(&mut *tx, &runs, 7).await.unwrap();
    generic_connection(&mut *tx, &runs, 7).await.unwrap();
    assert_eq!(runs.so_far(), 2);
    tx.rollback().await.unwrap();
    generic_connection(&mut db, &runs, 7).await.unwrap();
    generic_connection(&mut db, &runs, 7).await.unwrap();
    assert_eq!(runs.so_far(), 3);
}

#[cached(key = "executor:<id>", ttl = "1h", outside_tx)]
async fn executor<'e, E>(db: E, runs: &Runs, id: i64) -> sqlx::Result<Option<String>>
where
    E: Executor<'e, Database = Sqlite>,
{
    runs.next();
    sqlx::query_scalar(NAME).bind(id).fetch_optional(db).await
}

#[tokio::test]
#[isolated]
async fn generic_executor_with_outside_tx() {
    let pool = pool().await;
    let runs = Runs::default();
    assert_eq!(executor(&pool, &runs, 7).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(executor(&pool, &runs, 7).await.unwrap().as_deref(), Some("Ada"));
    assert_eq!(runs.so_far(), 1);
}

/// A wrapper of the user's own.
struct UnitOfWork {
    open: bool,
    runs: Runs,
}

impl InTransaction for UnitOfWork {
    fn in_transaction(&self) -> bool {
        self.open
    }
}

impl UnitOfWork {
    #[cached(key = "unit_of_work", ttl = "1h", shared)]
    pub async fn count(&mut self) -> u32 {
        self.runs.next()
    }
}

#[tokio::test]
#[isolated]
async fn a_type_may_say_so_itself() {
    let mut work = UnitOfWork { open: true, runs: Runs::default() };
    assert_eq!((work.count().await, work.count().await), (1, 2));
    work.open = false;
    assert_eq!((work.count().await, work.count().await), (3, 3));
}

#[cached(key = "silent:<id>", ttl = "1h")]
async fn silent(seen: &mut Vec<i64>, id: i64) -> usize {
    seen.push(id);
    seen.len()
}

#[tokio::test]
#[isolated]
async fn what_says_nothing_is_cached() {
    let mut seen = Vec::new();
    assert_eq!((silent(&mut seen, 7).await, silent(&mut seen, 7).await), (1, 1));
    assert_eq!(seen, [7]);
}

#[invalidates(borrowed(id), best_effort)]
async fn rename(db: &mut SqliteConnection, id: i64, name: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET name = ? WHERE id = ?")
        .bind(name)
        .bind(id)
        .execute(&mut *db)
        .await?;
    Ok(())
}

#[tokio::test]
#[isolated]
async fn a_writer_by_best_effort() {
    let pool = pool().await;
    let mut db = pool.acquire().await.unwrap();
    let runs = Runs::default();
    borrowed(&mut db, &runs, 7).await.unwrap();
    rename(&mut db, 7, "Eve").await.unwrap();
    assert_eq!(borrowed(&mut db, &runs, 7).await.unwrap().as_deref(), Some("Eve"));
}
