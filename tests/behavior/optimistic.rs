//! Of many who change one row by its version, each gets through, and none overwrites another.

use std::time::Duration;

use cachekit::retry::RetryPolicy;
use cachekit::{expect_updated, retry_on_conflict};
use cachekit_test_support::{MariadbServer, PostgresServer};

const WRITERS: i64 = 20;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// More attempts than there are others: each round lets one writer through.
const POLICY: RetryPolicy = RetryPolicy::new()
    .max_attempts(1000)
    .base(Duration::from_millis(5))
    .cap(Duration::from_millis(100));

/// The same on each database, whose statements are typed by it.
macro_rules! all_increments_land {
    ($pool:expr, $update:literal) => {{
        let pool = $pool;
        sqlx::raw_sql(
            "CREATE TABLE items (id INT PRIMARY KEY, stock BIGINT NOT NULL, version BIGINT NOT NULL);
             INSERT INTO items VALUES (1, 0, 0)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let mut writers = Vec::new();
        for _ in 0..WRITERS {
            let pool = pool.clone();
            writers.push(tokio::spawn(async move {
                retry_on_conflict(&POLICY, || async {
                    let read = sqlx::query_as("SELECT stock, version FROM items WHERE id = 1");
                    let (stock, version): (i64, i64) = read.fetch_one(&pool).await?;
                    // All have read before any writes: each round has its conflicts.
                    tokio::task::yield_now().await;
                    let update = sqlx::query($update).bind(stock + 1).bind(version);
                    expect_updated(&update.execute(&pool).await?)?;
                    Ok::<_, Fault>(())
                })
                .await
            }));
        }
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        let read = sqlx::query_as("SELECT stock, version FROM items WHERE id = 1");
        let row: (i64, i64) = read.fetch_one(&pool).await.unwrap();
        assert_eq!(row, (WRITERS, WRITERS));
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_increments_land_in_postgresql() {
    let server = PostgresServer::start();
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    all_increments_land!(
        pool,
        "UPDATE items SET stock = $1, version = version + 1 WHERE id = 1 AND version = $2"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_increments_land_in_mariadb() {
    let server = MariadbServer::start();
    let pool = sqlx::MySqlPool::connect(&server.url()).await.unwrap();
    all_increments_land!(
        pool,
        "UPDATE items SET stock = ?, version = version + 1 WHERE id = 1 AND version = ?"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_increments_land_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/items.db?mode=rwc", folder.path().display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    all_increments_land!(
        pool,
        "UPDATE items SET stock = ?, version = version + 1 WHERE id = 1 AND version = ?"
    );
}
