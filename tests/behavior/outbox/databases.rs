//! The databases, and what the tests ask of all of them.

use std::time::Duration;

use cachekit::sql::outbox::{Backend, Claim, Claimed, OutboxRow, RowId, StoredEvent, migrate};
use cachekit_test_support::{MariadbServer, PostgresServer};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, MySql, Pool, Postgres, Sqlite};
use tempfile::TempDir;

/// The namespace of the rows.
pub(super) const NAMESPACE: &str = "t";

/// A database that the tests run on. Every test is written once, for all of them.
pub(super) trait Tested: Backend {
    /// What the databases are on.
    type Host;

    /// A server, or a folder.
    fn host() -> Self::Host;

    /// An empty database.
    async fn fresh(host: &Self::Host) -> Pool<Self>;

    /// Runs SQL and says how many rows it touched.
    async fn run(pool: &Pool<Self>, sql: String) -> sqlx::Result<u64>;

    /// One number.
    fn number(pool: &Pool<Self>, sql: String) -> impl Future<Output = i64> + Send;

    /// Sets the keys of a row such that they cannot be read.
    fn broken_keys() -> &'static str;

    /// `column` so many seconds earlier.
    fn earlier(column: &str, seconds: u32) -> String;

    /// The id as a literal.
    fn literal(id: RowId) -> String {
        let hex: String = id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("X'{hex}'")
    }
}

macro_rules! run {
    () => {
        async fn run(pool: &Pool<Self>, sql: String) -> sqlx::Result<u64> {
            let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await?;
            Ok(done.rows_affected())
        }

        async fn number(pool: &Pool<Self>, sql: String) -> i64 {
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap()
        }
    };
}

impl Tested for Postgres {
    type Host = PostgresServer;

    fn host() -> PostgresServer {
        PostgresServer::start()
    }

    async fn fresh(host: &PostgresServer) -> Pool<Self> {
        create(&host.url()).await
    }

    run!();

    fn broken_keys() -> &'static str {
        "keys = ARRAY['user:1', NULL]"
    }

    fn earlier(column: &str, seconds: u32) -> String {
        format!("{column} - interval '{seconds} s'")
    }

    fn literal(id: RowId) -> String {
        format!("'{id}'::uuid")
    }
}

impl Tested for MySql {
    type Host = MariadbServer;

    fn host() -> MariadbServer {
        MariadbServer::start()
    }

    async fn fresh(host: &MariadbServer) -> Pool<Self> {
        create(&host.url()).await
    }

    run!();

    fn broken_keys() -> &'static str {
        "`keys` = '[\"user:1\", 5]'"
    }

    fn earlier(column: &str, seconds: u32) -> String {
        format!("{column} - INTERVAL {seconds} SECOND")
    }
}

impl Tested for Sqlite {
    type Host = TempDir;

    fn host() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    async fn fresh(host: &TempDir) -> Pool<Self> {
        let options = SqliteConnectOptions::new()
            .filename(host.path().join("outbox.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        Pool::connect_with(options).await.unwrap()
    }

    run!();

    fn broken_keys() -> &'static str {
        "keys = '[\"user:1\"'"
    }

    fn earlier(column: &str, seconds: u32) -> String {
        format!("{column} - {seconds}000")
    }
}

/// A database of its own on the server whose first one is at `url`.
async fn create<DB: Tested>(url: &str) -> Pool<DB> {
    let name = format!("t{}", fastrand::u32(..));
    let first = Pool::<DB>::connect(url).await.unwrap();
    DB::run(&first, format!("CREATE DATABASE {name}")).await.unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    Pool::connect(&format!("{server}/{name}")).await.unwrap()
}

/// A server, or a folder.
pub(super) fn host<DB: Tested>() -> DB::Host {
    DB::host()
}

/// An empty database with the outbox's tables.
pub(super) async fn fresh<DB: Tested>(host: &DB::Host) -> Pool<DB> {
    let pool = DB::fresh(host).await;
    migrate(&pool).await.unwrap();
    pool
}

/// A row with this key.
pub(super) fn row(key: &str) -> OutboxRow {
    OutboxRow {
        id: RowId::new(),
        namespace: NAMESPACE.to_owned(),
        keys: vec![key.to_owned()],
        events: Vec::new(),
    }
}

/// A row with an event, which is due at once.
pub(super) fn event_row(key: &str) -> OutboxRow {
    let event = StoredEvent {
        id: "1".to_owned(),
        topic: "users".to_owned(),
        key: Some(key.to_owned()),
        payload: r#"{"name":"Zoë \u0000 \"quoted\""}"#.to_owned(),
        trace: None,
    };
    OutboxRow { events: vec![event], ..row(key) }
}

/// Commits a row.
pub(super) async fn write<DB: Tested>(pool: &Pool<DB>, row: &OutboxRow) {
    let mut tx = pool.begin().await.unwrap();
    DB::insert(&mut tx, row).await.unwrap();
    tx.commit().await.unwrap();
}

/// Sets columns of all rows that meet a condition.
pub(super) async fn set<DB: Tested>(pool: &Pool<DB>, columns: &str, condition: &str) -> u64 {
    let sql = format!("UPDATE cachekit_outbox SET {columns} WHERE {condition}");
    DB::run(pool, sql).await.unwrap()
}

/// Makes all rows due.
pub(super) async fn make_due<DB: Tested>(pool: &Pool<DB>) {
    let earlier = DB::earlier("available_at", 100);
    set(pool, &format!("available_at = {earlier}"), "1 = 1").await;
}

/// How many rows meet a condition.
pub(super) async fn count<DB: Tested>(pool: &Pool<DB>, condition: &str) -> i64 {
    DB::number(pool, format!("SELECT count(*) FROM cachekit_outbox WHERE {condition}")).await
}

/// Up to 100 rows that are due, for half a minute.
pub(super) async fn claim<DB: Tested>(pool: &Pool<DB>, relay: &str) -> Vec<Claimed> {
    claim_as::<DB>(pool, &claim_of(relay)).await
}

/// What [`claim`] asks for.
pub(super) fn claim_of(relay: &str) -> Claim<'_> {
    let lease = Duration::from_secs(30);
    Claim { relay, namespace: NAMESPACE, limit: 100, lease, hurry: None }
}

/// Claims rows.
pub(super) async fn claim_as<DB: Tested>(pool: &Pool<DB>, claim: &Claim<'_>) -> Vec<Claimed> {
    DB::claim(pool, claim).await.unwrap()
}

/// Writes each test once for every database. Those on a server share it, each with a database of its own.
macro_rules! on_each_database {
    ($($test:ident,)*) => {
        on_each_database!(on_postgres sqlx::Postgres: $($test)*);
        on_each_database!(on_mariadb sqlx::MySql: $($test)*);
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    let host = crate::outbox::databases::host::<sqlx::Sqlite>();
                    super::$test(crate::outbox::databases::fresh::<sqlx::Sqlite>(&host).await).await;
                }
            )*
        }
    };
    ($all:ident $database:ty: $($test:ident)*) => {
        #[tokio::test]
        async fn $all() {
            let host = crate::outbox::databases::host::<$database>();
            $(
                println!("{}", stringify!($test));
                $test(crate::outbox::databases::fresh::<$database>(&host).await).await;
            )*
        }
    };
}
pub(super) use on_each_database;
