//! What a relay costs a database in which nothing is to be done.

use std::time::{Duration, Instant};

use cachekit::outbox::{Relay, migrate};
use cachekit_test_support::{MariadbServer, PostgresServer, RedisServer};
use cachekit_tests::cache;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};

/// Five looks for rows and one at the backlog; PostgreSQL counts up to a second late.
const MOST_A_SECOND: f64 = 10.0;

/// Statements a second by a counter of the server's, in a window that no search for old rows falls into.
#[allow(clippy::print_stdout, reason = "the figure is worth knowing")]
async fn rate<F: Future<Output = i64>>(window: Duration, counter: impl Fn() -> F) {
    // The first second has the search for old rows, and the statements are prepared.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (before, begun) = (counter().await, Instant::now());
    tokio::time::sleep(window).await;
    let own = 1;
    let count = counter().await - before - own;
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    println!("{rate:.1} statements a second");
    assert!((1.0..MOST_A_SECOND).contains(&rate), "{rate} statements a second");
}

#[tokio::test]
async fn few_statements_on_postgres() {
    let (server, redis) = (PostgresServer::start(), RedisServer::start());
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let observer = PgPool::connect(&server.url()).await.unwrap();
    migrate(&pool).await.unwrap();
    let cache = cache(&redis.url()).await;
    let relay = Relay::new(&cache, &pool).start();
    // The relay's connection says how much it did once a second; a statement is a transaction.
    let select = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    let counter = async || sqlx::query_scalar(select).fetch_one(&observer).await.unwrap();
    rate(Duration::from_secs(4), counter).await;
    relay.shutdown().await.unwrap();
}

#[tokio::test]
async fn few_statements_and_no_locks_on_mariadb() {
    let (server, redis) = (MariadbServer::start(), RedisServer::start());
    let pool = MySqlPool::connect(&server.url()).await.unwrap();
    let observer = MySqlPool::connect(&server.url()).await.unwrap();
    migrate(&pool).await.unwrap();
    let cache = cache(&redis.url()).await;
    let relay = Relay::new(&cache, &pool).start();
    let status = async |name: &str| {
        let select = format!(
            "SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM information_schema.GLOBAL_STATUS \
             WHERE VARIABLE_NAME = '{name}'"
        );
        sqlx::query_scalar::<_, i64>(AssertSqlSafe(select)).fetch_one(&observer).await.unwrap()
    };
    let begun = status("COM_BEGIN").await;
    let counter = async || status("COM_SELECT").await + status("COM_UPDATE").await;
    rate(Duration::from_secs(2), counter).await;
    assert!(status("COM_BEGIN").await - begun <= 1, "one for the search for old rows");
    relay.shutdown().await.unwrap();
}

#[tokio::test]
async fn nothing_is_written_to_sqlite() {
    let redis = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(dir.path().join("db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    migrate(&pool).await.unwrap();
    let mut observer = pool.acquire().await.unwrap();
    let cache = cache(&redis.url()).await;
    let relay = Relay::new(&cache, &pool).poll_interval(Duration::from_millis(10)).start();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut version = async || {
        let pragma = sqlx::query_scalar::<_, i64>("PRAGMA data_version");
        pragma.fetch_one(&mut *observer).await.unwrap()
    };
    let before = version().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(version().await, before, "another connection has committed something");
    relay.shutdown().await.unwrap();
}
