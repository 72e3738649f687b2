//! Items with a version each, and a ledger of all transactions, in any of the databases.

use std::{str::FromStr, time::Duration};

use cachekit::outbox::{self, Backend};
use sqlx::{
    AssertSqlSafe, MySql, MySqlConnection, PgConnection, Pool, Postgres, Row as _, Sqlite,
    SqliteConnection,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

/// How long a call waits for a connection, and how long a statement for a lock. SQLite counts the naps that it takes
/// meanwhile and not their time, and so waits longer where the machine is busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database, and the few statements that the tests need of it.
pub trait Rows: Backend {
    /// By which the parent names it to its workers.
    const KIND: &'static str;

    /// A pool of connections.
    fn open(url: &str) -> impl Future<Output = sqlx::Result<Pool<Self>>> + Send;

    /// Runs a statement.
    fn run(
        conn: &mut Self::Connection,
        sql: String,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The numbers that a query gives.
    fn numbers(
        conn: &mut Self::Connection,
        sql: String,
    ) -> impl Future<Output = sqlx::Result<Vec<i64>>> + Send;

    /// Calls `hook` when COMMIT is about to be carried out, where the database runs in this process.
    fn before_commit(
        _conn: &mut Self::Connection,
        _hook: fn(),
    ) -> impl Future<Output = sqlx::Result<()>> + Send {
        std::future::ready(Ok(()))
    }
}

macro_rules! statements {
    ($connection:ident) => {
        async fn run(conn: &mut $connection, sql: String) -> sqlx::Result<()> {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.map(drop)
        }

        async fn numbers(conn: &mut $connection, sql: String) -> sqlx::Result<Vec<i64>> {
            // Nothing is prepared: callers leave, and sqlx-mysql forgets a PREPARE whose answer nobody read.
            let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(conn).await?;
            rows.iter().map(|row| row.try_get(0)).collect()
        }
    };
}

impl Rows for Postgres {
    const KIND: &'static str = "postgres";

    async fn open(url: &str) -> sqlx::Result<Pool<Postgres>> {
        let patience = format!("{}s", PATIENCE.as_secs());
        let server = PgConnectOptions::from_str(url)?.options([("lock_timeout", patience)]);
        reached(options().connect_lazy_with(server)).await
    }

    statements!(PgConnection);
}

impl Rows for MySql {
    const KIND: &'static str = "mariadb";

    async fn open(url: &str) -> sqlx::Result<Pool<MySql>> {
        let limited = options().after_connect(|conn, _| {
            let patience = PATIENCE.as_secs();
            let limit = format!("SET SESSION innodb_lock_wait_timeout = {patience}");
            Box::pin(MySql::run(conn, limit))
        });
        reached(limited.connect_lazy(url)?).await
    }

    statements!(MySqlConnection);
}

impl Rows for Sqlite {
    const KIND: &'static str = "sqlite";

    async fn open(url: &str) -> sqlx::Result<Pool<Sqlite>> {
        // No power is cut here: what the kernel has is what every process sees.
        let file = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(PATIENCE);
        reached(options().connect_lazy_with(file)).await
    }

    statements!(SqliteConnection);

    async fn before_commit(conn: &mut SqliteConnection, hook: fn()) -> sqlx::Result<()> {
        conn.lock_handle().await?.set_commit_hook(move || {
            hook();
            true
        });
        Ok(())
    }
}

fn options<DB: sqlx::Database>() -> PoolOptions<DB> {
    PoolOptions::new().max_connections(8).acquire_timeout(PATIENCE)
}

/// The pool, once its database has answered: a process that begins while that is being restarted waits longer than a call
/// does.
async fn reached<DB: sqlx::Database>(pool: Pool<DB>) -> sqlx::Result<Pool<DB>> {
    for _ in 0..5 {
        match pool.acquire().await {
            Err(sqlx::Error::PoolTimedOut) => {}
            answer => return answer.map(|_| pool),
        }
    }
    Err(sqlx::Error::PoolTimedOut)
}

/// Creates the outbox, the items `0..items` with version 0, and an empty ledger.
///
/// # Errors
/// Those of the database.
pub async fn create<DB: Rows>(pool: &Pool<DB>, items: u32) -> sqlx::Result<()> {
    outbox::migrate(pool).await?;
    let mut conn = pool.acquire().await?;
    let tables = [
        "CREATE TABLE items (id BIGINT PRIMARY KEY, version BIGINT NOT NULL)",
        "CREATE TABLE ledger (tx BIGINT PRIMARY KEY)",
    ];
    for table in tables {
        DB::run(&mut conn, table.to_owned()).await?;
    }
    let rows: Vec<_> = (0..items).map(|id| format!("({id}, 0)")).collect();
    DB::run(&mut conn, format!("INSERT INTO items VALUES {}", rows.join(", "))).await
}

/// Gives the items, which stand in order, their next version in transaction `tx`, and says which these are.
///
/// # Errors
/// Those of the database.
pub async fn bump<DB: Rows>(
    conn: &mut DB::Connection,
    tx: i64,
    items: &[u32],
) -> sqlx::Result<Vec<i64>> {
    DB::run(&mut *conn, format!("INSERT INTO ledger VALUES ({tx})")).await?;
    raise::<DB>(conn, items).await
}

/// Gives the items, which stand in order, their next version, and says which these are.
///
/// # Errors
/// Those of the database.
pub async fn raise<DB: Rows>(conn: &mut DB::Connection, items: &[u32]) -> sqlx::Result<Vec<i64>> {
    // One by one, so that no two transactions wait for each other.
    for id in items {
        let update = format!("UPDATE items SET version = version + 1 WHERE id = {id}");
        DB::run(&mut *conn, update).await?;
    }
    versions::<DB>(conn, items).await
}

/// The versions of these items, by their ids.
///
/// # Errors
/// Those of the database.
pub async fn versions<DB: Rows>(
    conn: &mut DB::Connection,
    items: &[u32],
) -> sqlx::Result<Vec<i64>> {
    let list = list(items);
    let select = format!("SELECT version FROM items WHERE id IN ({list}) ORDER BY id");
    DB::numbers(conn, select).await
}

/// How many rows meet a condition.
///
/// # Errors
/// Those of the database.
pub async fn count<DB: Rows>(pool: &Pool<DB>, rows: &str) -> sqlx::Result<i64> {
    let mut conn = pool.acquire().await?;
    let count = DB::numbers(&mut conn, format!("SELECT count(*) FROM {rows}")).await?;
    Ok(count.into_iter().sum())
}

fn list(items: &[u32]) -> String {
    let items: Vec<_> = items.iter().map(u32::to_string).collect();
    items.join(", ")
}
