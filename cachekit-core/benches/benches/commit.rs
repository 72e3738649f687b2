//! Committing with invalidations beside committing without, on each database: the time of the commit alone.

#![allow(missing_docs)]

use std::time::{Duration, Instant};

use cachekit::{Cache, Key, key, outbox, outbox::Backend};
use cachekit_benches::print_ratios;
use cachekit_test_support::{MariadbServer, PostgresServer, RedisServer};
use criterion::Criterion;
use sqlx::{
    AssertSqlSafe, Database, Executor, IntoArguments, MySqlPool, PgPool, Pool, SqlitePool,
    Transaction, pool::PoolOptions,
};
use tokio::runtime::{Builder, Runtime};

const CONTENDERS: [&str; 4] = ["cachekit_redis", "cachekit_embedded", "sqlx_and_insert", "sqlx"];

fn user_key(id: i64) -> Key {
    key!("user:<id>")
}

/// What the user's own statements are; not timed.
async fn update<DB: Database>(tx: &mut DB::Connection, id: i64) -> sqlx::Result<()>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let sql = format!("UPDATE users SET visits = visits + 1 WHERE id = {}", id % 1000);
    tx.execute(AssertSqlSafe(sql)).await.map(drop)
}

async fn ours<DB: Backend>(pool: &Pool<DB>, cache: &Cache, times: u64) -> Duration
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut spent = Duration::ZERO;
    for id in 0..times as i64 {
        let mut tx = cache.begin(pool).await.expect("a transaction");
        update::<DB>(&mut tx, id).await.expect("an update");
        tx.invalidate(user_key(id));
        let begun = Instant::now();
        let _applied = tx.commit().await.expect("a commit");
        spent += begun.elapsed();
    }
    spent
}

/// `insert`: with a row of the same kind, as the least that an outbox costs.
async fn plain<DB: Database>(pool: &Pool<DB>, insert: Option<&'static str>, times: u64) -> Duration
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
    i64: sqlx::Type<DB> + for<'q> sqlx::Encode<'q, DB>,
    String: sqlx::Type<DB> + for<'q> sqlx::Encode<'q, DB>,
{
    let mut spent = Duration::ZERO;
    for id in 0..times as i64 {
        let mut tx: Transaction<'static, DB> = pool.begin().await.expect("a transaction");
        update::<DB>(&mut tx, id).await.expect("an update");
        let begun = Instant::now();
        if let Some(insert) = insert {
            let insert = sqlx::query(insert).bind(format!("[\"user:{id}\"]"));
            insert.execute(&mut *tx).await.expect("an insert");
        }
        tx.commit().await.expect("a commit");
        spent += begun.elapsed();
    }
    spent
}

async fn prepare<DB: Backend>(pool: &Pool<DB>, serial: &str)
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    outbox::migrate(pool).await.expect("the outbox");
    let mut conn = pool.acquire().await.expect("a connection");
    let mut run = async |sql: String| {
        conn.execute(AssertSqlSafe(sql)).await.expect("a statement");
    };
    run("CREATE TABLE users (id BIGINT PRIMARY KEY, visits BIGINT)".to_owned()).await;
    run(format!("CREATE TABLE plain (id {serial}, texts TEXT)")).await;
    for id in 0..1000 {
        run(format!("INSERT INTO users VALUES ({id}, 0)")).await;
    }
}

fn group<DB: Backend>(
    c: &mut Criterion,
    runtime: &Runtime,
    database: &str,
    pool: &Pool<DB>,
    caches: &[Cache; 2],
    insert: &'static str,
) where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
    i64: sqlx::Type<DB> + for<'q> sqlx::Encode<'q, DB>,
    String: sqlx::Type<DB> + for<'q> sqlx::Encode<'q, DB>,
{
    let name = format!("commit_{database}");
    let mut group = c.benchmark_group(&name);
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    for (contender, cache) in CONTENDERS.iter().zip(caches) {
        group.bench_function(*contender, |b| {
            b.iter_custom(|times| runtime.block_on(ours(pool, cache, times)));
        });
    }
    for (contender, insert) in CONTENDERS[2..].iter().zip([Some(insert), None]) {
        group.bench_function(*contender, |b| {
            b.iter_custom(|times| runtime.block_on(plain(pool, insert, times)));
        });
    }
    group.finish();
    print_ratios(&name, &CONTENDERS);
}

fn options<DB: Database>() -> PoolOptions<DB> {
    PoolOptions::new().max_connections(4)
}

fn main() {
    let runtime =
        Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    let redis = RedisServer::start();
    let caches = runtime.block_on(async {
        let shared = Cache::builder().namespace("bench").redis(&redis.url()).await.expect("redis");
        [shared.build().expect("a cache"), Cache::builder().build().expect("a cache")]
    });
    let mut criterion = Criterion::default().configure_from_args();

    let server = PostgresServer::start();
    let pool: PgPool = runtime.block_on(options().connect(&server.url())).expect("PostgreSQL");
    runtime.block_on(prepare(&pool, "BIGSERIAL PRIMARY KEY"));
    let insert = "INSERT INTO plain (texts) VALUES ($1)";
    group(&mut criterion, &runtime, "postgres", &pool, &caches, insert);
    drop(server);

    let server = MariadbServer::start();
    let pool: MySqlPool = runtime.block_on(options().connect(&server.url())).expect("MariaDB");
    runtime.block_on(prepare(&pool, "BIGINT AUTO_INCREMENT PRIMARY KEY"));
    let insert = "INSERT INTO plain (texts) VALUES (?)";
    group(&mut criterion, &runtime, "mariadb", &pool, &caches, insert);
    drop(server);

    let dir = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("db").display());
    let pool: SqlitePool = runtime.block_on(options().connect(&url)).expect("SQLite");
    let wal = "PRAGMA journal_mode = WAL";
    runtime.block_on(pool.execute(wal)).expect("a write-ahead log");
    runtime.block_on(prepare(&pool, "INTEGER PRIMARY KEY"));
    group(&mut criterion, &runtime, "sqlite", &pool, &caches, insert);
    criterion.final_summary();
}
