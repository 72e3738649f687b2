//! R37: an insert, a rebuild, and readers who must not be told that a row is absent once it is there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cachekit::{Cache, bloom::Bloom, outbox};
use cachekit_test_support::RedisServer;
use cachekit_tests::{cache, until_async};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

use super::{NOBODY, filled, is_live};

/// A database in a file, which readers see the last commit of while somebody writes.
async fn database() -> (tempfile::TempDir, SqlitePool) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("users.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(20));
    let pool = SqlitePoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
    outbox::migrate(&pool).await.unwrap();
    sqlx::query("CREATE TABLE users (id INTEGER PRIMARY KEY)").execute(&pool).await.unwrap();
    (folder, pool)
}

async fn insert(cache: &Cache, pool: &SqlitePool, bloom: &Bloom<i64>, id: i64) {
    let mut tx = cache.begin(pool).await.unwrap();
    sqlx::query("INSERT INTO users VALUES (?)").bind(id).execute(&mut *tx).await.unwrap();
    tx.bloom_add(bloom, id);
    let _committed = tx.commit().await.unwrap();
}

async fn rebuild(pool: &SqlitePool, bloom: &Bloom<i64>) {
    let scan = || sqlx::query_scalar("SELECT id FROM users").fetch(pool);
    bloom.rebuild::<_, i64, _>(scan).await.unwrap();
}

fn settling(cache: &Cache, settle: Duration) -> Bloom<i64> {
    Bloom::builder("users").expected(10_000).settle(settle).build(cache).unwrap()
}

/// Writers, readers in another process, and one rebuild after the other: whatever a write has returned is never absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bloom_insert_before_commit() {
    let server = RedisServer::start();
    let (_folder, pool) = database().await;
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    let (writer, reader) = (settling(&a, SETTLE), settling(&b, SETTLE));
    rebuild(&pool, &writer).await;

    let returned = Arc::new(AtomicI64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let rebuilds = Arc::new(AtomicU64::new(0));
    let rebuilding = {
        let (stop, rebuilds, pool, bloom) =
            (stop.clone(), rebuilds.clone(), pool.clone(), writer.clone());
        tokio::spawn(async move {
            while !stop.load(SeqCst) {
                rebuild(&pool, &bloom).await;
                rebuilds.fetch_add(1, SeqCst);
            }
        })
    };
    let reading = {
        let (stop, returned) = (stop.clone(), returned.clone());
        tokio::spawn(async move {
            let mut absent = 0_u64;
            while !stop.load(SeqCst) {
                let last = returned.load(SeqCst);
                // The youngest are those that a rebuild may miss, so half of the questions are for them.
                let id = if fastrand::bool() { last } else { fastrand::i64(0..=last) };
                assert!(
                    id == 0 || reader.may_contain(id).await,
                    "{id} of {last} was said to be absent"
                );
                absent += u64::from(!reader.may_contain(-1 - id).await);
            }
            absent
        })
    };
    let mut id = 0;
    while rebuilds.load(SeqCst) < 25 || id < 300 {
        id += 1;
        insert(&a, &pool, &writer, id).await;
        returned.store(id, SeqCst);
    }
    stop.store(true, SeqCst);
    rebuilding.await.unwrap();
    assert!(reading.await.unwrap() > 0, "the filter did say that ids are absent");
}

/// As short as this test bears: the writers' commits take longer now and then, and confirm.
const SETTLE: Duration = Duration::from_millis(5);

/// Added before the rebuild began, committed after its scan: the one that only `confirm` saves.
#[tokio::test]
async fn a_commit_that_outlasts_a_whole_rebuild_confirms_its_id() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let bloom = filled(&cache).await;
    let added = bloom.add(NOBODY).await.unwrap();
    bloom.rebuild(|| super::ids(0..10)).await.unwrap();
    assert!(!bloom.may_contain(NOBODY).await, "not committed yet, so this is right");
    // COMMIT
    added.confirm().await.unwrap();
    assert!(bloom.may_contain(NOBODY).await);
}

/// Added before the rebuild began, committed while it settles: found by the scan, which comes after that.
#[tokio::test]
async fn a_rebuild_waits_for_writers_that_had_added_before_it_began() {
    let server = RedisServer::start();
    let (_folder, pool) = database().await;
    let cache = cache(&server.url()).await;
    let bloom = settling(&cache, Duration::from_millis(400));
    rebuild(&pool, &bloom).await;

    let mut tx = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO users VALUES (7)").execute(&mut *tx).await.unwrap();
    let added = bloom.add(7).await.unwrap();
    let rebuilding = {
        let (pool, bloom) = (pool.clone(), bloom.clone());
        tokio::spawn(async move { rebuild(&pool, &bloom).await })
    };
    let mut redis = server.connection();
    until_async("the rebuild began", async || {
        let token = redis.call(&["GETRANGE", "ck~bf:t:users", "40", "47"]).bytes();
        token != Some(vec![0; 8])
    })
    .await;
    tx.commit().await.unwrap();
    // The writer is killed here: it never confirms.
    drop(added);
    rebuilding.await.unwrap();
    assert!(bloom.may_contain(7).await && !bloom.may_contain(8).await);
}

#[tokio::test]
async fn a_transaction_whose_id_cannot_be_added_does_not_commit() {
    let mut server = RedisServer::start();
    let (_folder, pool) = database().await;
    let cache = cache(&server.url()).await;
    let bloom = filled(&cache).await;
    let mut tx = cache.begin(&pool).await.unwrap();
    sqlx::query("INSERT INTO users VALUES (7)").execute(&mut *tx).await.unwrap();
    tx.bloom_add(&bloom, 7);
    server.kill();
    let error = tx.commit().await.unwrap_err();
    assert!(error.to_string().contains("redis"), "{error}");
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&pool).await.unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_savepoint_that_is_rolled_back_adds_nothing() {
    let server = RedisServer::start();
    let (_folder, pool) = database().await;
    let cache = cache(&server.url()).await;
    let bloom = filled(&cache).await;
    let mut tx = cache.begin(&pool).await.unwrap();
    let mut kept = tx.savepoint().await.unwrap();
    kept.bloom_add(&bloom, 70);
    kept.commit().await.unwrap();
    let mut undone = tx.savepoint().await.unwrap();
    undone.bloom_add(&bloom, 80);
    undone.rollback().await.unwrap();
    assert!(!bloom.may_contain(70).await, "not before the commit");
    let _committed = tx.commit().await.unwrap();
    assert!(bloom.may_contain(70).await && !bloom.may_contain(80).await);
    assert!(is_live(&bloom).await);
}
