//! On PostgreSQL.

#[path = "../../src/db/postgres.rs"]
mod db;
#[allow(dead_code, reason = "buyers do not use all of it")]
#[path = "../../src/shop.rs"]
mod shop;

use std::{sync::Arc, time::Duration};

use cachekit::{Cache, Outcome, Status, outbox, with_status};
use cachekit_test_support::{PostgresServer, RedisServer};
use sqlx::pool::PoolOptions;
use tokio::sync::Barrier;

use crate::sell_out;

async fn pool(url: &str) -> sqlx::Pool<db::Db> {
    let options = PoolOptions::new().max_connections(20).acquire_timeout(Duration::from_secs(60));
    let pool = options.connect(url).await.unwrap();
    sqlx::raw_sql(db::SCHEMA).execute(&pool).await.unwrap();
    outbox::migrate(&pool).await.unwrap();
    pool
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_what_was_there_is_sold_with_a_lock() {
    let server = PostgresServer::start();
    let redis = RedisServer::start();
    let pool = pool(&server.url()).await;
    sell_out!(pool, &redis.url(), shop, shop::order);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_what_was_there_is_sold_by_version() {
    let server = PostgresServer::start();
    let redis = RedisServer::start();
    let pool = pool(&server.url()).await;
    sell_out!(pool, &redis.url(), shop, shop::order_by_version);
}
