//! What a commit costs more than a plain one.

use cachekit::{Outcome, outbox};
use cachekit_test_support::{MariadbServer, Proxy, RedisServer, invalidation};
use cachekit_tests::{cache, item};
use sqlx::{AssertSqlSafe, MySqlPool};

const COMMITS: i64 = 20;

async fn status(pool: &MySqlPool, name: &str) -> i64 {
    let select = format!(
        "SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM information_schema.GLOBAL_STATUS \
         WHERE VARIABLE_NAME = '{name}'"
    );
    sqlx::query_scalar::<_, i64>(AssertSqlSafe(select)).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_commit_costs_one_insert_and_one_unlink_for_each_key() {
    let (server, redis) = (MariadbServer::start(), RedisServer::start());
    let proxy = Proxy::start(redis.port());
    let pool = MySqlPool::connect(&server.url()).await.unwrap();
    outbox::migrate(&pool).await.unwrap();
    let cache = cache(&proxy.url()).await;
    let counters = async || {
        let (inserts, commits) =
            (status(&pool, "COM_INSERT").await, status(&pool, "COM_COMMIT").await);
        (inserts, commits)
    };
    let before = counters().await;
    for commit in 0..COMMITS {
        let mut tx = cache.begin(&pool).await.unwrap();
        tx.invalidate_many((0..5).map(|key| item(5 * commit.cast_unsigned() + key)));
        assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
    }
    let after = counters().await;
    assert_eq!((after.0 - before.0, after.1 - before.1), (COMMITS, COMMITS));
    assert_eq!(proxy.count(invalidation), 5 * COMMITS as usize);
}
