//! `#[invalidates]` and `#[cached]` inside a transaction.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use cachekit::{Cache, Outcome, Status, Transaction, cached, invalidates};
use cachekit_tests::first_poll;
use sqlx::Pool;

use super::database::Bench;
use super::{Items, on_sqlite};

pub(super) async fn all<DB: Items>(pool: &Pool<DB>) {
    recorded_before_the_body(pool).await;
    committed_after_an_error(pool).await;
    read_inside(pool).await;
    named_by_the_result(pool).await;
}

#[invalidates("item:<id>", tx = tx)]
async fn write_and_wait<DB: Items>(tx: &mut Transaction<'_, DB>, id: u64) {
    DB::set(tx, id, 7).await.unwrap();
    std::future::pending::<()>().await;
}

async fn recorded_before_the_body<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    bench.warm(1).await;
    let mut tx = bench.cache.begin(pool).await.unwrap();
    let never =
        tokio::time::timeout(std::time::Duration::from_millis(300), write_and_wait(&mut tx, 1));
    assert!(never.await.is_err());
    assert_eq!(bench.read(1).await, (1, Status::Hit));
    assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
    assert_eq!(bench.read(1).await, (7, Status::Loaded));
}

#[invalidates("item:<id>")]
async fn write_and_fail<DB: Items>(tx: &mut Transaction<'_, DB>, id: u64) -> sqlx::Result<()> {
    DB::set(tx, id, 7).await?;
    Err(sqlx::Error::RowNotFound)
}

async fn committed_after_an_error<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    bench.warm(1).await;
    let mut tx = bench.cache.begin(pool).await.unwrap();
    write_and_fail(&mut tx, 1).await.unwrap_err();
    assert_eq!(bench.read(1).await, (1, Status::Hit));
    assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
    assert_eq!(bench.read(1).await, (7, Status::Loaded));
    // And nothing without a commit.
    let mut tx = bench.cache.begin(pool).await.unwrap();
    write_and_fail(&mut tx, 1).await.unwrap_err();
    drop(tx);
    assert_eq!(bench.read(1).await, (7, Status::Hit));
}

#[invalidates("item:<ret>", "item:<other>")]
async fn choose<DB: Items>(tx: &mut Transaction<'_, DB>, other: u64, ok: bool) -> Result<u64, ()> {
    DB::set(tx, 3, 7).await.unwrap();
    if ok { Ok(3) } else { Err(()) }
}

async fn named_by_the_result<DB: Items>(pool: &Pool<DB>) {
    for ok in [true, false] {
        let bench = Bench::new(pool).await;
        bench.warm(1).await;
        bench.warm(3).await;
        let mut tx = bench.cache.begin(pool).await.unwrap();
        assert_eq!(choose(&mut tx, 1, ok).await.is_ok(), ok);
        assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
        assert_eq!(bench.read(1).await.1, Status::Loaded);
        assert_eq!(bench.read(3).await.1, if ok { Status::Loaded } else { Status::Hit });
    }
}

#[cached(key = "item:<id>", ttl = "1h", cache = cache)]
async fn value_in<DB: Items>(
    tx: &mut Transaction<'_, DB>,
    cache: &Cache,
    id: u64,
    runs: &AtomicU64,
) -> sqlx::Result<i64> {
    runs.fetch_add(1, Ordering::SeqCst);
    Ok(DB::numbers(tx, "SELECT value FROM items ORDER BY id").await?[id as usize - 1])
}

async fn read_inside<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    let runs = AtomicU64::new(0);
    bench.warm(1).await;
    let mut tx = bench.cache.begin(pool).await.unwrap();
    DB::set(&mut tx, 1, 7).await.unwrap();
    DB::set(&mut tx, 2, 7).await.unwrap();
    for id in [1, 2, 1, 2] {
        let value = value_in(&mut tx, &bench.cache, id, &runs).await;
        assert_eq!(value.unwrap(), 7, "it sees its own write");
    }
    let mut savepoint = tx.savepoint().await.unwrap();
    assert_eq!(value_in(&mut savepoint, &bench.cache, 1, &runs).await.unwrap(), 7);
    savepoint.rollback().await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 5);
    tx.rollback().await.unwrap();
    assert_eq!(bench.read(1).await, (1, Status::Hit));
    assert_eq!(bench.read(2).await, (1, Status::Loaded), "and nothing of it was kept");
}

#[tokio::test]
async fn tx_records_before_body() {
    on_sqlite(|pool| async move { recorded_before_the_body(&pool).await }).await;
}

#[tokio::test]
async fn err_then_commit_still_invalidates() {
    on_sqlite(|pool| async move { committed_after_an_error(&pool).await }).await;
}

#[tokio::test]
async fn a_key_by_the_result_is_recorded_on_success() {
    on_sqlite(|pool| async move { named_by_the_result(&pool).await }).await;
}

#[tokio::test]
async fn read_in_transaction_bypasses() {
    on_sqlite(|pool| async move { read_inside(&pool).await }).await;
}

/// The body owns the transaction and commits it itself.
#[invalidates("item:<id>")]
async fn write_and_commit(
    tx: Transaction<'static, sqlx::Sqlite>,
    id: u64,
) -> sqlx::Result<Outcome> {
    let mut tx = tx;
    <sqlx::Sqlite as Items>::set(&mut tx, id, 7).await?;
    Ok(tx.commit().await?.invalidation)
}

#[tokio::test]
async fn a_body_may_commit_what_it_is_given() {
    on_sqlite(|pool| async move {
        let bench = Bench::new(&pool).await;
        bench.warm(1).await;
        let tx = bench.cache.begin(&pool).await.unwrap();
        assert_eq!(write_and_commit(tx, 1).await.unwrap(), Outcome::Applied);
        assert_eq!(bench.read(1).await, (7, Status::Loaded));
    })
    .await;
}

#[tokio::test]
async fn before_the_first_poll_nothing_is_recorded() {
    on_sqlite(|pool| async move {
        let bench = Bench::new(&pool).await;
        let mut tx = bench.cache.begin(&pool).await.unwrap();
        drop(write_and_wait(&mut tx, 1));
        assert!(first_poll(pin!(write_and_wait(&mut tx, 1))).is_pending());
        assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
        bench.until_states(&[1]).await;
    })
    .await;
}
