//! A database with items in it, of each kind, and a cache before it.

use std::time::Duration;

use cachekit::{Cache, Status, Transaction, outbox, outbox::Backend, with_status};
use cachekit_test_support::{MariadbServer, PostgresServer};
use cachekit_tests::{POLICY, item, until_async};
use sqlx::{AssertSqlSafe, Database, Executor as _, Pool, pool::PoolOptions};

/// The few statements that the tests need, on any database.
pub(super) trait Items: Backend {
    /// The states of the outbox's rows, 64 bits wide.
    const STATES: &'static str;

    /// Runs some statements; the id that is looked for is part of the text.
    fn run(
        conn: &mut Self::Connection,
        sql: String,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The numbers that a query gives.
    fn numbers(
        conn: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = sqlx::Result<Vec<i64>>> + Send;

    fn set(
        conn: &mut Self::Connection,
        id: u64,
        value: i64,
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        Self::run(conn, format!("UPDATE items SET value = {value} WHERE id = {id}"))
    }
}

macro_rules! items {
    ($database:ident, $connection:ident, $states:literal) => {
        impl Items for sqlx::$database {
            const STATES: &'static str = $states;

            async fn run(conn: &mut sqlx::$connection, sql: String) -> sqlx::Result<()> {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map(drop)
            }

            async fn numbers(
                conn: &mut sqlx::$connection,
                sql: &'static str,
            ) -> sqlx::Result<Vec<i64>> {
                sqlx::query_scalar(sql).fetch_all(conn).await
            }
        }
    };
}

items!(Postgres, PgConnection, "SELECT state::bigint FROM cachekit_outbox ORDER BY created_at");
items!(
    MySql,
    MySqlConnection,
    "SELECT CAST(state AS SIGNED) FROM cachekit_outbox ORDER BY created_at"
);
items!(Sqlite, SqliteConnection, "SELECT state FROM cachekit_outbox ORDER BY created_at");

/// A pool and an embedded cache before it.
pub(super) struct Bench<DB: Database> {
    pub(super) pool: Pool<DB>,
    pub(super) cache: Cache,
}

impl<DB: Database> Clone for Bench<DB> {
    fn clone(&self) -> Bench<DB> {
        Bench { pool: self.pool.clone(), cache: self.cache.clone() }
    }
}

impl<DB: Items> Bench<DB> {
    /// Items 1 to 9 with the value 1, an empty outbox, an empty cache.
    pub(super) async fn new(pool: &Pool<DB>) -> Bench<DB> {
        outbox::migrate(pool).await.unwrap();
        let bench = Bench::before(pool);
        bench.run("DROP TABLE IF EXISTS items").await;
        bench.run("CREATE TABLE items (id BIGINT PRIMARY KEY, value BIGINT NOT NULL)").await;
        for id in 1..10 {
            bench.run(&format!("INSERT INTO items VALUES ({id}, 1)")).await;
        }
        bench.run("DELETE FROM cachekit_outbox").await;
        bench
    }

    /// An empty cache before a database that has its items.
    pub(super) fn before(pool: &Pool<DB>) -> Bench<DB> {
        Bench { pool: pool.clone(), cache: Cache::builder().build().unwrap() }
    }

    pub(super) async fn run(&self, sql: &str) {
        let mut conn = self.pool.acquire().await.unwrap();
        DB::run(&mut conn, sql.to_owned()).await.unwrap();
    }

    /// A transaction that has written 7.
    pub(super) async fn begin(&self, id: u64) -> Transaction<'static, DB> {
        let mut tx = self.cache.begin(&self.pool).await.unwrap();
        DB::set(&mut tx, id, 7).await.unwrap();
        tx.invalidate(item(id));
        tx
    }

    /// What the cache says of an item, from the database if it must.
    pub(super) async fn read(&self, id: u64) -> (i64, Status) {
        let load = async || {
            let mut conn = self.pool.acquire().await?;
            let sql = "SELECT value FROM items ORDER BY id";
            Ok::<_, sqlx::Error>(DB::numbers(&mut conn, sql).await?[id as usize - 1])
        };
        let (value, status) = with_status(self.cache.get_or_load(item(id), &POLICY, load)).await;
        (value.unwrap(), status)
    }

    /// Reads until the value is kept.
    pub(super) async fn warm(&self, id: u64) {
        self.read(id).await;
        assert_eq!(self.read(id).await.1, Status::Hit);
    }

    /// The states of the outbox's rows.
    pub(super) async fn states(&self) -> Vec<i64> {
        let mut conn = self.pool.acquire().await.unwrap();
        DB::numbers(&mut conn, DB::STATES).await.unwrap()
    }

    /// The keys of every row that can be claimed, or could be.
    pub(super) async fn keys(&self) -> Vec<String> {
        self.run("UPDATE cachekit_outbox SET state = 0").await;
        let claim = outbox::Claim {
            relay: "test",
            namespace: "",
            limit: 100,
            lease: Duration::from_secs(30),
            hurry: Some(Duration::ZERO),
        };
        let rows = DB::claim(&self.pool, &claim).await.unwrap();
        rows.into_iter().flat_map(|claimed| claimed.row.unwrap().keys).collect()
    }

    pub(super) async fn until_states(&self, expected: &[i64]) {
        let states = async || self.states().await == expected;
        until_async("the rows are in these states", states).await;
    }
}

/// Where a server is.
pub(super) struct Address {
    pub(super) port: u16,
    pub(super) url: String,
}

pub(super) async fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Pool<sqlx::Sqlite>) -> F) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("db").display());
    let pool = options().connect(&url).await.unwrap();
    pool.execute("PRAGMA journal_mode = WAL").await.unwrap();
    test(pool).await;
}

pub(super) async fn on_postgres<F: Future<Output = ()>>(
    test: impl FnOnce(Pool<sqlx::Postgres>, Address) -> F,
) {
    let server = PostgresServer::start();
    let pool = options().connect(&server.url()).await.unwrap();
    test(pool, Address { port: server.port(), url: server.url() }).await;
}

pub(super) async fn on_mariadb<F: Future<Output = ()>>(
    test: impl FnOnce(Pool<sqlx::MySql>, Address) -> F,
) {
    let server = MariadbServer::start();
    let pool = options().connect(&server.url()).await.unwrap();
    test(pool, Address { port: server.port(), url: server.url() }).await;
}

pub(super) fn options<DB: Database>() -> PoolOptions<DB> {
    PoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(5))
}
