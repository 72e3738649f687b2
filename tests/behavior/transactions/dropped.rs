//! A caller that leaves while a transaction begins: sqlx forgets that BEGIN was sent. What the connection's next user reads
//! would be as old as that, and what it writes would not be committed.

use std::time::Duration;

use cachekit::{
    Cache,
    fencing::{self, LockDatabase},
    outbox::{self, Backend},
};
use cachekit_test_support::{MariadbServer, PostgresServer};
use cachekit_tests::Polls;
use sqlx::{MySql, MySqlPool, PgPool, Pool, Postgres, pool::PoolOptions};

/// Of one connection, so that whoever comes next is given the same.
async fn one<DB: sqlx::Database>(url: &str) -> Pool<DB> {
    PoolOptions::new().max_connections(1).connect(url).await.unwrap()
}

/// Drops a call after each number of polls, until it comes to its end.
async fn nothing_stays_open(call: impl AsyncFn(usize) -> bool, is_open: impl AsyncFn() -> bool) {
    for polls in 0.. {
        let done = call(polls).await;
        assert!(!is_open().await, "left after {polls} polls");
        if done {
            assert!(polls > 1, "it is left half-way");
            return;
        }
    }
}

async fn is_open_there(pool: &MySqlPool) -> bool {
    let open = sqlx::query_scalar("SELECT CAST(@@in_transaction AS SIGNED)");
    open.fetch_one(pool).await.unwrap_or(1_i64) != 0
}

/// A transaction's time stands still.
async fn is_open_here(pool: &PgPool) -> bool {
    let begun = "SELECT (extract(epoch FROM now()) * 1000000)::bigint";
    let first: i64 = sqlx::query_scalar(begun).fetch_one(pool).await.unwrap();
    let second: i64 = sqlx::query_scalar(begun).fetch_one(pool).await.unwrap();
    first == second
}

#[tokio::test]
async fn no_connection_of_mysql_goes_back_with_a_transaction_open() {
    let server = MariadbServer::start();
    let (pool, cache) = (one::<MySql>(&server.url()).await, Cache::builder().build().unwrap());
    let begin = async |polls| Polls::new(cache.begin(&pool), polls).await.is_some();
    nothing_stays_open(begin, async || is_open_there(&pool).await).await;
}

#[tokio::test]
async fn no_connection_of_postgres_goes_back_with_a_transaction_open() {
    let server = PostgresServer::start();
    let (pool, cache) = (one::<Postgres>(&server.url()).await, Cache::builder().build().unwrap());
    let begin = async |polls| Polls::new(cache.begin(&pool), polls).await.is_some();
    nothing_stays_open(begin, async || is_open_here(&pool).await).await;
}

/// A relay drops what takes it too long.
#[tokio::test]
async fn no_relay_gives_a_connection_back_with_a_transaction_open() {
    let server = MariadbServer::start();
    let pool = one::<MySql>(&server.url()).await;
    outbox::migrate(&pool).await.unwrap();
    let prune = async |polls| {
        let prune = MySql::prune(&pool, "shop", Duration::ZERO, 10);
        Polls::new(prune, polls).await.is_some()
    };
    nothing_stays_open(prune, async || is_open_there(&pool).await).await;
}

/// A migration that takes a transaction, and is dropped by whoever waits for it.
#[tokio::test]
async fn no_migration_gives_a_connection_back_with_a_transaction_open() {
    let server = PostgresServer::start();
    let pool = one::<Postgres>(&server.url()).await;
    let outbox =
        async |polls| Polls::new(<Postgres as Backend>::migrate(&pool), polls).await.is_some();
    nothing_stays_open(outbox, async || is_open_here(&pool).await).await;
    let fences =
        async |polls| Polls::new(<Postgres as LockDatabase>::migrate(&pool), polls).await.is_some();
    nothing_stays_open(fences, async || is_open_here(&pool).await).await;
    fencing::migrate(&pool).await.unwrap();
}
