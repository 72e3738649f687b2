//! A caller that leaves while its transaction begins.

use std::{
    pin::pin,
    task::{Context, Waker},
};

use cachekit::Cache;
use cachekit_test_support::MariadbServer;
use sqlx::{MySql, mysql::MySqlPoolOptions};

/// sqlx forgets a BEGIN that is dropped half-way: what is read on that connection afterwards would be as old as that.
#[tokio::test]
async fn no_connection_goes_back_to_the_pool_with_a_transaction_open() {
    let server = MariadbServer::start();
    let pool = MySqlPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap();
    let cache = Cache::builder().build().unwrap();
    for polls in 0..40 {
        {
            let mut begin = pin!(cache.begin::<MySql>(&pool));
            for _ in 0..polls {
                if begin.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let open: i64 = sqlx::query_scalar("SELECT CAST(@@in_transaction AS SIGNED)")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(open, 0, "left after {polls} polls");
    }
}
