//! A database with an account in it, of each kind.

use std::time::Duration;

use cachekit::fencing::{self, LockDatabase};
use cachekit_test_support::{MariadbServer, PostgresServer};
use cachekit_tests::until_async;
use sqlx::{AssertSqlSafe, Database, Executor as _, Pool, pool::PoolOptions};

/// The few statements that the tests need, on any database.
pub(super) trait Bank: LockDatabase {
    /// How a transaction is begun that sees what it saw first for as long as it lasts.
    const BEGIN_REPEATABLE: &'static str;

    /// How a transaction is begun that sees what was committed, statement by statement.
    const BEGIN_COMMITTED: &'static str;

    /// Whether it refuses what it would have to wait for, where all is to be seen as it was at first.
    const GIVES_WAY: bool;

    /// Whether writers of different rows do not wait for one another.
    const LOCKS_ROWS: bool;

    /// Makes a session wait for a short time only.
    const HURRY: &'static str;

    /// Ends every session that has a lock of ours, or what stands for it.
    const CUT: &'static str;

    /// How many sessions can be seen to wait for a lock.
    const WAITERS: i64;

    /// How many do.
    const WAITING: &'static str;

    /// How many transactions wait for a row of another one, where that can be seen.
    const BLOCKED: &'static str;

    /// How long a session waits for locks.
    const PATIENCE: &'static str;

    /// How many locks the database knows of.
    const LOCKS: &'static str;

    /// Runs some statements.
    fn run(
        conn: &mut Self::Connection,
        sql: String,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The numbers that a query gives.
    fn numbers(
        conn: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = sqlx::Result<Vec<i64>>> + Send;

    /// Writes to the row of the account unless a later holder was there, and says how many rows it changed.
    fn pay(
        conn: &mut Self::Connection,
        cents: i64,
        fence: i64,
    ) -> impl Future<Output = sqlx::Result<u64>> + Send;
}

macro_rules! bank {
    ($database:ident, $connection:ident, $pay:literal, $($name:ident: $type:ty = $value:literal,)*) => {
        impl Bank for sqlx::$database {
            $(const $name: $type = $value;)*

            async fn run(conn: &mut sqlx::$connection, sql: String) -> sqlx::Result<()> {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map(drop)
            }

            async fn numbers(
                conn: &mut sqlx::$connection,
                sql: &'static str,
            ) -> sqlx::Result<Vec<i64>> {
                sqlx::query_scalar(sql).fetch_all(conn).await
            }

            async fn pay(
                conn: &mut sqlx::$connection,
                cents: i64,
                fence: i64,
            ) -> sqlx::Result<u64> {
                let pay = sqlx::query($pay).bind(cents).bind(fence).bind(fence);
                Ok(pay.execute(conn).await?.rows_affected())
            }
        }
    };
}

bank!(
    Postgres,
    PgConnection,
    "UPDATE account SET cents = $1, fence = $2 WHERE fence <= $3",
    BEGIN_REPEATABLE: &'static str = "BEGIN ISOLATION LEVEL REPEATABLE READ",
    BEGIN_COMMITTED: &'static str = "BEGIN",
    GIVES_WAY: bool = true,
    LOCKS_ROWS: bool = true,
    HURRY: &'static str = "SET lock_timeout = 50",
    CUT: &'static str =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory'",
    WAITERS: i64 = 1,
    WAITING: &'static str =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
    BLOCKED: &'static str =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted",
    PATIENCE: &'static str =
        "SELECT setting::bigint FROM pg_settings WHERE name = 'lock_timeout'",
    LOCKS: &'static str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
);
bank!(
    MySql,
    MySqlConnection,
    "UPDATE account SET cents = ?, fence = ? WHERE fence <= ?",
    BEGIN_REPEATABLE: &'static str = "START TRANSACTION",
    BEGIN_COMMITTED: &'static str =
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION",
    GIVES_WAY: bool = false,
    LOCKS_ROWS: bool = true,
    HURRY: &'static str = "SET innodb_lock_wait_timeout = 1",
    CUT: &'static str =
        "SET @holder = IS_USED_LOCK(SHA2(CONCAT_WS(':', DATABASE(), 't:item:1'), 256)); \
         EXECUTE IMMEDIATE CONCAT('KILL ', @holder)",
    WAITERS: i64 = 1,
    WAITING: &'static str =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock'",
    BLOCKED: &'static str =
        "SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM information_schema.GLOBAL_STATUS \
         WHERE VARIABLE_NAME = 'INNODB_ROW_LOCK_CURRENT_WAITS'",
    PATIENCE: &'static str = "SELECT CAST(@@innodb_lock_wait_timeout AS SIGNED)",
    LOCKS: &'static str =
        "SELECT CAST(IS_USED_LOCK(SHA2(CONCAT_WS(':', DATABASE(), 't:item:1'), 256)) IS NOT NULL AS SIGNED)",
);
bank!(
    Sqlite,
    SqliteConnection,
    "UPDATE account SET cents = ?, fence = ? WHERE fence <= ?",
    BEGIN_REPEATABLE: &'static str = "BEGIN",
    BEGIN_COMMITTED: &'static str = "BEGIN IMMEDIATE",
    GIVES_WAY: bool = true,
    LOCKS_ROWS: bool = false,
    HURRY: &'static str = "PRAGMA busy_timeout = 50",
    CUT: &'static str = "UPDATE cachekit_fences SET held_until = 0",
    WAITERS: i64 = 0,
    WAITING: &'static str = "SELECT 0",
    BLOCKED: &'static str = "SELECT 0",
    PATIENCE: &'static str = "PRAGMA busy_timeout",
    LOCKS: &'static str = "SELECT count(*) FROM cachekit_fences \
         WHERE held_until > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
);

/// An account with nothing in it, and no number that was ever shown.
pub(super) async fn open<DB: Bank>(pool: &Pool<DB>) {
    fencing::migrate(pool).await.unwrap();
    run(pool, "DELETE FROM cachekit_fences").await;
    run(pool, "DROP TABLE IF EXISTS account").await;
    run(pool, "CREATE TABLE account (cents BIGINT NOT NULL, fence BIGINT NOT NULL)").await;
    run(pool, "INSERT INTO account VALUES (0, 0)").await;
}

pub(super) async fn run<DB: Bank>(pool: &Pool<DB>, sql: &str) {
    let mut conn = pool.acquire().await.unwrap();
    DB::run(&mut conn, sql.to_owned()).await.unwrap();
}

pub(super) async fn cents<DB: Bank>(conn: &mut DB::Connection) -> i64 {
    DB::numbers(conn, "SELECT cents FROM account").await.unwrap()[0]
}

pub(super) async fn locks<DB: Bank>(pool: &Pool<DB>) -> i64 {
    let mut conn = pool.acquire().await.unwrap();
    DB::numbers(&mut conn, DB::LOCKS).await.unwrap()[0]
}

/// Waits until somebody waits for a row of a transaction that is open.
pub(super) async fn until_blocked<DB: Bank>(pool: &Pool<DB>) {
    if DB::WAITERS == 0 {
        // Nothing tells: one that does not wait would be through by then.
        return tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut conn = pool.acquire().await.unwrap();
    let blocked = async || DB::numbers(&mut conn, DB::BLOCKED).await.unwrap()[0] > 0;
    until_async("somebody waits for a row", blocked).await;
}

pub(super) async fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Pool<sqlx::Sqlite>) -> F) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("db").display());
    let pool = options().connect(&url).await.unwrap();
    pool.execute("PRAGMA journal_mode = WAL").await.unwrap();
    test(pool).await;
}

pub(super) async fn on_postgres<F: Future<Output = ()>>(
    test: impl FnOnce(Pool<sqlx::Postgres>) -> F,
) {
    let server = PostgresServer::start();
    test(options().connect(&server.url()).await.unwrap()).await;
}

pub(super) async fn on_mariadb<F: Future<Output = ()>>(test: impl FnOnce(Pool<sqlx::MySql>) -> F) {
    let server = MariadbServer::start();
    test(options().connect(&server.url()).await.unwrap()).await;
}

fn options<DB: Database>() -> PoolOptions<DB> {
    PoolOptions::new().max_connections(24).acquire_timeout(Duration::from_secs(10))
}

/// Runs a test on all three databases.
macro_rules! on_all {
    ($test:ident) => {
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                crate::locks::bank::on_sqlite(async |pool| super::$test(&pool).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                crate::locks::bank::on_postgres(async |pool| super::$test(&pool).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_mariadb() {
                crate::locks::bank::on_mariadb(async |pool| super::$test(&pool).await).await;
            }
        }
    };
}
pub(super) use on_all;
