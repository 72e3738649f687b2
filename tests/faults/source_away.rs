//! The database fails, and callers of whatever was ever cached see no error.

use std::env;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cachekit::{Cache, Status, cached, with_status};
use cachekit_test_support::{PostgresServer, RedisServer, TcpProxy};
use cachekit_tests::{cache, until_async};
use sqlx::{PgPool, postgres::PgPoolOptions};

const KEYS: i32 = 40;

/// Loads that failed.
static FAILED: AtomicU64 = AtomicU64::new(0);

#[cached(
    key = "row:<id>",
    ttl = "100ms",
    stale_if_error = "1h",
    retry_after = "200ms",
    hard_timeout = "1s"
)]
async fn version(db: &PgPool, id: i32) -> Result<i64, Failure> {
    let row = sqlx::query_scalar("SELECT version FROM rows WHERE id = $1").bind(id);
    let version = row.fetch_one(db).await;
    FAILED.fetch_add(u64::from(version.is_err()), Ordering::SeqCst);
    Ok(version?)
}

/// What the readers have seen.
#[derive(Debug, Default)]
struct Seen {
    errors: AtomicU64,
    stale: AtomicU64,
    others: AtomicU64,
    over: AtomicBool,
}

impl Seen {
    async fn read(&self, cache: &Cache, db: &PgPool) {
        while !self.over.load(Ordering::Relaxed) {
            let read = cache.scope(version(db, fastrand::i32(0..KEYS)));
            let (out, status) = with_status(read).await;
            let count = match (out, status) {
                (Err(_), _) => &self.errors,
                (Ok(_), Status::Stale) => &self.stale,
                (Ok(_), _) => &self.others,
            };
            count.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown when a test fails")]
enum Failure {
    Database(sqlx::Error),
    Cache(cachekit::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Failure {
        Failure::Database(error)
    }
}

impl From<cachekit::Error> for Failure {
    fn from(error: cachekit::Error) -> Failure {
        Failure::Cache(error)
    }
}

async fn pool(port: u16, server: &PostgresServer) -> PgPool {
    let url = server.url().replace(&format!(":{}", server.port()), &format!(":{port}"));
    let options = PgPoolOptions::new().max_connections(4);
    options.acquire_timeout(Duration::from_millis(500)).connect(&url).await.unwrap()
}

fn outage() -> Duration {
    let seconds = env::var("CACHEKIT_TORTURE_OUTAGE").ok();
    Duration::from_secs(seconds.map_or(3, |seconds| seconds.parse().unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_costs_no_error_for_keys_that_were_ever_cached() {
    let (server, redis) = (PostgresServer::start(), RedisServer::start());
    let proxy = TcpProxy::start(server.port());
    let (direct, db) = (pool(server.port(), &server).await, pool(proxy.port(), &server).await);
    sqlx::raw_sql("CREATE TABLE rows (id INT PRIMARY KEY, version BIGINT)")
        .execute(&direct)
        .await
        .unwrap();
    let fill = "INSERT INTO rows SELECT id, 1 FROM generate_series(0, $1) AS id";
    sqlx::query(fill).bind(KEYS - 1).execute(&direct).await.unwrap();
    let (one, two) = (cache(&redis.url()).await, cache(&redis.url()).await);
    for id in 0..KEYS {
        assert_eq!(one.scope(version(&db, id)).await.unwrap(), 1);
    }

    proxy.refuse(true);
    proxy.cut();
    let seen = Seen::default();
    let readers = async {
        tokio::join!(
            seen.read(&one, &db),
            seen.read(&one, &db),
            seen.read(&two, &db),
            seen.read(&two, &db)
        );
    };
    let clock = async {
        tokio::time::sleep(outage()).await;
        seen.over.store(true, Ordering::Relaxed);
    };
    tokio::join!(readers, clock);
    let (errors, stale) = (seen.errors.load(Ordering::Relaxed), seen.stale.load(Ordering::Relaxed));
    tell(format_args!("{:?}: {seen:?}, {} loads failed", outage(), failed()));
    assert_eq!(errors, 0);
    assert!(stale > 100, "{seen:?}");

    // It is back, with other rows than before: each key's next load is the last that is needed.
    sqlx::query("UPDATE rows SET version = 2").execute(&direct).await.unwrap();
    proxy.refuse(false);
    let (before, back) = (failed(), Instant::now());
    let mut left: Vec<_> = (0..KEYS).flat_map(|id| [(id, &one), (id, &two)]).collect();
    until_async("all keys are fresh again", async || {
        let mut old = Vec::new();
        for (id, cache) in left.drain(..) {
            let (out, status) = with_status(cache.scope(version(&db, id))).await;
            let is_old = status == Status::Stale;
            // The other process may have loaded the new one, and that may be old again.
            assert!(out.unwrap() == 2 || is_old);
            old.extend(is_old.then_some((id, cache)));
        }
        left = old;
        left.is_empty()
    })
    .await;
    tell(format_args!("fresh again {:?} after the database is back", back.elapsed()));
    assert_eq!(failed(), before, "one load each was enough");
    assert!(back.elapsed() < Duration::from_secs(5), "the longest pause is about two seconds");
}

fn failed() -> u64 {
    FAILED.load(Ordering::SeqCst)
}

#[expect(clippy::print_stdout, reason = "the harness keeps it until somebody wants it")]
fn tell(line: impl std::fmt::Display) {
    println!("{line}");
}
