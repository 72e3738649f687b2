//! A caller that leaves while a transaction begins: sqlx forgets that BEGIN was sent. What the connection's next user reads
//! would be as old as that, and what it writes would not be committed.

use std::{pin::pin, time::Duration};

use cachekit::{
    Cache,
    fencing::LockDatabase,
    outbox::{self, Backend},
};
use cachekit_test_support::{MariadbServer, PostgresServer};
use cachekit_tests::{first_poll, until_async};
use sqlx::{MySql, MySqlPool, PgPool, Pool, Postgres, pool::PoolOptions};

/// Of one connection, so that whoever comes next is given the same.
async fn one<DB: sqlx::Database>(url: &str) -> Pool<DB> {
    PoolOptions::new().max_connections(1).connect(url).await.unwrap()
}

/// Polls a call so often, whether there is anything to poll it for or not, and says whether it came to its end.
async fn polled(call: impl Future, polls: usize) -> bool {
    let mut call = pin!(call);
    for _ in 0..polls {
        if first_poll(call.as_mut()).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Drops a call after ever more polls, from before its first statement until after its last.
async fn nothing_stays_open<DB: sqlx::Database>(
    pool: &Pool<DB>,
    call: impl AsyncFn(usize) -> bool,
    is_open: impl AsyncFn() -> bool,
) {
    let (mut polls, mut dropped, mut whole) = (0, 0, 0);
    while whole < 10 {
        // What was dropped before is given back by a task, or closed.
        let back = async || pool.size() as usize == pool.num_idle();
        until_async("the connection is back", back).await;
        if call(polls).await {
            whole += 1
        } else {
            dropped += 1
        }
        assert!(!is_open().await, "left after {polls} polls");
        polls += 1 + polls / 16;
    }
    assert!(dropped > 1, "none was dropped in mid-way");
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
    let begin = async |polls| polled(cache.begin(&pool), polls).await;
    nothing_stays_open(&pool, begin, async || is_open_there(&pool).await).await;
}

#[tokio::test]
async fn no_connection_of_postgres_goes_back_with_a_transaction_open() {
    let server = PostgresServer::start();
    let (pool, cache) = (one::<Postgres>(&server.url()).await, Cache::builder().build().unwrap());
    let begin = async |polls| polled(cache.begin(&pool), polls).await;
    nothing_stays_open(&pool, begin, async || is_open_here(&pool).await).await;
}

/// A relay drops what takes it too long.
#[tokio::test]
async fn no_relay_gives_a_connection_back_with_a_transaction_open() {
    let server = MariadbServer::start();
    let pool = one::<MySql>(&server.url()).await;
    outbox::migrate(&pool).await.unwrap();
    let prune = async |polls| {
        let prune = MySql::prune(&pool, "shop", Duration::ZERO, 10);
        polled(prune, polls).await
    };
    nothing_stays_open(&pool, prune, async || is_open_there(&pool).await).await;
}

/// A migration that takes a transaction, and is dropped by whoever waits for it.
#[tokio::test]
async fn no_migration_gives_a_connection_back_with_a_transaction_open() {
    let server = PostgresServer::start();
    let pool = one::<Postgres>(&server.url()).await;
    let outbox = async |polls| polled(<Postgres as Backend>::migrate(&pool), polls).await;
    nothing_stays_open(&pool, outbox, async || is_open_here(&pool).await).await;
    let fences = async |polls| polled(<Postgres as LockDatabase>::migrate(&pool), polls).await;
    nothing_stays_open(&pool, fences, async || is_open_here(&pool).await).await;
}
