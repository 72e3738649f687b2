//! A caller that leaves while a transaction begins.

use std::{
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use cachekit::{
    Cache,
    outbox::{self, Backend as _},
};
use cachekit_test_support::MariadbServer;
use sqlx::{MySql, MySqlPool, mysql::MySqlPoolOptions};

/// Of one connection, so that whoever comes next is given the same.
async fn pool(server: &MariadbServer) -> MySqlPool {
    MySqlPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap()
}

/// Drops `call` after so many polls, and looks whether a transaction is open on the connection that it had.
async fn nothing_stays_open(pool: &MySqlPool, polls: usize, call: impl Future) {
    {
        let mut call = pin!(call);
        for _ in 0..polls {
            if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let open = sqlx::query_scalar("SELECT CAST(@@in_transaction AS SIGNED)");
    let open: i64 = open.fetch_one(pool).await.unwrap();
    assert_eq!(open, 0, "left after {polls} polls");
}

/// sqlx forgets a BEGIN that is dropped half-way: what is read on that connection afterwards would be as old as that.
#[tokio::test]
async fn no_connection_goes_back_to_the_pool_with_a_transaction_open() {
    let server = MariadbServer::start();
    let (pool, cache) = (pool(&server).await, Cache::builder().build().unwrap());
    for polls in 0..40 {
        nothing_stays_open(&pool, polls, cache.begin::<MySql>(&pool)).await;
    }
}

/// A relay drops what takes it too long. What its connection's next user writes would not be committed.
#[tokio::test]
async fn no_relay_gives_a_connection_back_with_a_transaction_open() {
    let server = MariadbServer::start();
    let pool = pool(&server).await;
    outbox::migrate(&pool).await.unwrap();
    for polls in 0..40 {
        let prune = MySql::prune(&pool, "shop", Duration::ZERO, 10);
        nothing_stays_open(&pool, polls, prune).await;
    }
}
