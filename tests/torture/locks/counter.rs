//! 16 tasks in 4 processes count in a row of a database, by reading it and writing one more.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use cachekit_test_support::{PostgresServer, RedisServer};
use fastrand::Rng;
use rustix::process::Signal;
use sqlx::PgPool;
use tokio::time;

use crate::{
    fleet::{Worker, machine},
    settings::{comes, seed, tell},
};

const PROCESSES: usize = 4;
const TASKS: usize = 4;
const EACH: usize = 125;
const TOTAL: i64 = (PROCESSES * TASKS * EACH) as i64;

/// Of a holder that is to be overtaken.
const SHORT: Duration = Duration::from_millis(300);

/// Processes that are stopped, at most: each time the others wait for the end of a lease.
const STRIKES: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_under_a_lock_is_exact() {
    let _machine = machine().await;
    let begun = Instant::now();
    let mut count = Count::start("locked", Duration::from_secs(5)).await;
    let refused = count.finish().await;
    tell(format_args!(
        "counter under a lock: {TOTAL} in {:?}, refused {refused:?}",
        begun.elapsed()
    ));
    assert_eq!(count.total().await, TOTAL);
    assert!(refused.is_empty(), "{refused:?}");
}

/// The same without a lock: the test is not blind.
#[tokio::test(flavor = "multi_thread")]
async fn a_counter_without_a_lock_is_not_exact() {
    let _machine = machine().await;
    let mut count = Count::start("bare", SHORT).await;
    count.finish().await;
    assert!(count.total().await < TOTAL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_under_a_fence_is_exact_though_holders_are_overtaken() {
    overtaken("table").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_with_a_column_is_exact_though_holders_are_overtaken() {
    overtaken("column").await;
}

/// Holders are stopped past their lease: at random, and, so that this is sure to happen, between their last look at
/// the lock and their write.
async fn overtaken(mode: &str) {
    let _machine = machine().await;
    let (seed, begun) = (seed(), Instant::now());
    tell(format_args!("seed {seed}"));
    let mut rng = Rng::with_seed(seed);
    let mut count = Count::start(mode, SHORT).await;
    let (mut at_random, mut before_a_write) = (0, 0);
    while count.done().await < TOTAL {
        if at_random + before_a_write >= STRIKES {
            count.workers.iter().for_each(|worker| worker.signal(Signal::CONT));
            time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        let victim = rng.usize(..PROCESSES);
        if rng.bool() {
            time::sleep(Duration::from_millis(rng.u64(..100))).await;
            count.workers[victim].signal(Signal::STOP);
            at_random += 1;
        } else {
            count.workers[victim].say("stand still").await;
            let frozen = comes(Duration::from_secs(2), async || count.workers[victim].is_frozen());
            before_a_write += usize::from(frozen.await);
        }
        time::sleep(SHORT + Duration::from_millis(rng.u64(200..600))).await;
        count.workers[victim].signal(Signal::CONT);
        // One of its tasks may do as it was told only now.
        time::sleep(Duration::from_millis(rng.u64(300..900))).await;
        count.workers[victim].signal(Signal::CONT);
    }
    // Who did as it was told later than was waited for.
    count.workers.iter().for_each(|worker| worker.signal(Signal::CONT));
    let refused = count.finish().await;
    tell(format_args!(
        "counter, {mode}: {TOTAL} in {:?}, processes stopped {at_random} times at random and {before_a_write} \
         before a write; refused {refused:?}",
        begun.elapsed()
    ));
    assert_eq!(count.total().await, TOTAL);
    assert_eq!(count.numbers().await, (1..=TOTAL).collect::<Vec<_>>(), "each number once");
    let writes = refused.get("by-the-database").copied().unwrap_or(0);
    assert!(writes > 0, "no write of an overtaken holder was refused: {refused:?}");
    assert!(before_a_write > 0);
}

/// The servers, and the processes that count.
struct Count {
    workers: Vec<Worker>,
    db: PgPool,
    _redis: RedisServer,
    _postgres: PostgresServer,
}

impl Count {
    async fn start(mode: &str, lease: Duration) -> Count {
        let (redis, postgres) = (RedisServer::start(), PostgresServer::start());
        let db = PgPool::connect(&postgres.url()).await.expect("the test's database");
        for sql in [
            "CREATE TABLE counter (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, fence BIGINT NOT NULL)",
            "CREATE TABLE ledger (op BIGINT PRIMARY KEY, n BIGINT NOT NULL)",
            "INSERT INTO counter VALUES (1, 0, 0)",
        ] {
            sqlx::query(sql).execute(&db).await.expect("the test's tables");
        }
        cachekit::fencing::migrate(&db).await.expect("the test's tables");
        let mut workers = Vec::new();
        for process in 0..PROCESSES {
            let args = [
                ("role", "counter".to_owned()),
                ("redis", redis.url()),
                ("database", postgres.url()),
                ("mode", mode.to_owned()),
                ("lease_ms", lease.as_millis().to_string()),
                ("tasks", TASKS.to_string()),
                ("each", EACH.to_string()),
                ("first", (process * TASKS * EACH).to_string()),
            ];
            workers.push(Worker::start(&args).await);
        }
        for worker in &mut workers {
            worker.go().await;
        }
        Count { workers, db, _redis: redis, _postgres: postgres }
    }

    /// Waits until all have counted, and returns how often they were refused, and why.
    async fn finish(&mut self) -> BTreeMap<String, u64> {
        let mut refused = BTreeMap::new();
        for mut worker in std::mem::take(&mut self.workers) {
            loop {
                let line = worker.line(Duration::from_secs(90)).await.expect("it counts");
                match line.split_whitespace().collect::<Vec<_>>()[..] {
                    ["refused", why, times] => {
                        let times: u64 = times.parse().expect("a number");
                        *refused.entry(why.to_owned()).or_default() += times;
                    }
                    ["counted"] => break,
                    _ => panic!("a worker said {line:?}"),
                }
            }
            worker.say("end").await;
            worker.finish(Duration::from_secs(30)).await;
        }
        refused
    }

    async fn total(&self) -> i64 {
        let select = sqlx::query_scalar("SELECT n FROM counter");
        select.fetch_one(&self.db).await.expect("the test's database")
    }

    /// How many increments are in the ledger.
    async fn done(&self) -> i64 {
        let select = sqlx::query_scalar("SELECT count(*) FROM ledger");
        select.fetch_one(&self.db).await.expect("the test's database")
    }

    /// What each increment made of the counter, in order.
    async fn numbers(&self) -> Vec<i64> {
        let select = sqlx::query_scalar("SELECT n FROM ledger ORDER BY n");
        select.fetch_all(&self.db).await.expect("the test's database")
    }
}
