//! A process that was stopped while it held a lock, and is continued when somebody else has it, cannot write.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use cachekit::{Cache, ErrorKind, LockHandle, SqlLock};
use cachekit_test_support::{MariadbServer, PostgresServer, RedisServer};
use cachekit_tests::{cache, item};
use sqlx::Pool;

use super::bank::{Bank, cents, open, run};

/// What the process that is stopped is told: where the database is, and where Redis is, if it is to lock there.
const DATABASE: &str = "CACHEKIT_TEST_DATABASE";
const REDIS: &str = "CACHEKIT_TEST_REDIS";

const LEASE: Duration = Duration::from_millis(500);

#[tokio::test]
async fn write_of_a_stopped_holder_is_refused_by_postgres() {
    let (redis, server) = (RedisServer::start(), PostgresServer::start());
    let pool = Pool::<sqlx::Postgres>::connect(&server.url()).await.unwrap();
    over_redis(&redis, &pool, &server.url()).await;
}

#[tokio::test]
async fn write_of_a_stopped_holder_is_refused_by_mariadb() {
    let (redis, server) = (RedisServer::start(), MariadbServer::start());
    let pool = Pool::<sqlx::MySql>::connect(&server.url()).await.unwrap();
    over_redis(&redis, &pool, &server.url()).await;
}

#[tokio::test]
async fn write_of_a_stopped_holder_is_refused_by_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.path().join("db").display());
    let pool = Pool::<sqlx::Sqlite>::connect(&url).await.unwrap();
    over_redis(&RedisServer::start(), &pool, &url).await;
    open(&pool).await;
    let mut other = Other::start(&url, None);
    let guard = SqlLock::new(&pool).namespace("t").lock(item(1)).wait(20 * LEASE).acquire();
    overtaken(&mut other, &pool, async || {
        let guard = guard.await.unwrap();
        (guard.handle(), guard)
    })
    .await;
}

async fn over_redis<DB: Bank>(redis: &RedisServer, pool: &Pool<DB>, url: &str) {
    open(pool).await;
    let mut other = Other::start(url, Some(redis.url()));
    let cache = cache(&redis.url()).await;
    overtaken(&mut other, pool, async || {
        let guard = cache.lock(item(1)).wait(20 * LEASE).acquire().await.unwrap();
        (guard.handle(), guard)
    })
    .await;
}

/// The other process holds the lock and has read the account.
async fn overtaken<DB: Bank, G>(
    other: &mut Other,
    pool: &Pool<DB>,
    lock: impl AsyncFnOnce() -> (LockHandle, G),
) {
    assert_eq!(other.line(), "holds the lock and has read 0");
    other.signal("-STOP");
    let (handle, _guard) = lock().await;
    let mut tx = pool.begin().await.unwrap();
    handle.fence(&mut *tx).await.unwrap();
    assert_eq!(cents::<DB>(&mut tx).await, 0);
    DB::run(&mut tx, "UPDATE account SET cents = 7".to_owned()).await.unwrap();
    tx.commit().await.unwrap();
    other.signal("-CONT");
    other.go();
    assert_eq!(other.line(), "knows of the loss: true");
    assert_eq!(other.line(), "may write: Some(Fenced)");
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(cents::<DB>(&mut conn).await, 7);
    drop(conn);
    run(pool, "DROP TABLE account").await;
}

/// This test, run by another process.
struct Other {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start(database: &str, redis: Option<String>) -> Other {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "locks::stopped::what_the_stopped_process_does"]);
        command.env(DATABASE, database).env_remove(REDIS).envs(redis.map(|url| (REDIS, url)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Other { child, lines }
    }

    /// The next line that is the process' own, and not its harness'.
    fn line(&mut self) -> String {
        for line in self.lines.by_ref().lines() {
            if let Some((_, own)) = line.unwrap().split_once("it ") {
                return own.to_owned();
            }
        }
        panic!("the other process has ended");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing, unless it is run by one of the tests above.
#[tokio::test]
async fn what_the_stopped_process_does() {
    let Ok(url) = std::env::var(DATABASE) else { return };
    match url.split(':').next() {
        Some("postgres") => hold::<sqlx::Postgres>(&url).await,
        Some("mysql") => hold::<sqlx::MySql>(&url).await,
        _ => hold::<sqlx::Sqlite>(&url).await,
    }
}

async fn hold<DB: Bank>(url: &str) {
    let pool = Pool::<DB>::connect(url).await.unwrap();
    match std::env::var(REDIS) {
        Ok(redis) => {
            let cache: Cache = cache(&redis).await;
            let guard = cache.lock(item(1)).lease(LEASE).acquire().await.unwrap();
            write(&pool, guard.handle()).await;
        }
        Err(_) => {
            let locks = SqlLock::new(&pool).namespace("t");
            let guard = locks.lock(item(1)).lease(LEASE).acquire().await.unwrap();
            write(&pool, guard.handle()).await;
        }
    }
}

/// Reads, and writes what it read, as if it had been looked after all the time.
async fn write<DB: Bank>(pool: &Pool<DB>, handle: LockHandle) {
    let read = cents::<DB>(&mut *pool.acquire().await.unwrap()).await;
    say(&format!("it holds the lock and has read {read}"));
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    assert_eq!(line.await.unwrap().unwrap(), "go\n");
    say(&format!("it knows of the loss: {}", handle.check().is_err()));
    let mut tx = pool.begin().await.unwrap();
    let refused = handle.fence(&mut *tx).await.err().map(|error| error.kind());
    if refused.is_none() {
        DB::run(&mut tx, format!("UPDATE account SET cents = {}", read + 1)).await.unwrap();
    }
    tx.commit().await.unwrap();
    say(&format!("it may write: {refused:?}"));
    assert_eq!(refused, Some(ErrorKind::Fenced));
}

/// Past the harness, which would keep what is printed.
fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}
