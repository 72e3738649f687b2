//! No read is older than a write that had returned before it began.

use std::{fmt::Write as _, path::Path, time::Duration};

use cachekit::{Cache, Peek, key};
use cachekit_test_support::RedisServer;
use cachekit_torture::{
    check::{Summary, context},
    database::Database,
    history::{self, Event, Source},
};

use crate::{
    fleet::{Worker, machine},
    nemesis::Nemesis,
    settings,
};

const KEYS: u32 = 4;

/// What runs, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) subject: &'static str,
    pub(crate) processes: u32,
    /// How far reads may be behind the writes of other processes.
    pub(crate) bound: Duration,
    /// The pause after each read.
    pub(crate) pace: Duration,
    /// The longest pause of a writer.
    pub(crate) pause: Duration,
}

/// Two processes that do what they can.
const SETUP: Setup = Setup {
    subject: "cachekit",
    processes: 2,
    bound: Duration::ZERO,
    pace: Duration::ZERO,
    pause: Duration::from_millis(20),
};

/// One run: its settings, and what came of it.
pub(crate) struct Run {
    seed: u64,
    pub(crate) seconds: u64,
    pub(crate) history: Vec<Event>,
    pub(crate) summary: Summary,
    /// Keys whose cached version is not the database's, after everything has come to rest.
    left_stale: Vec<u32>,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_is_older_than_a_write_that_had_returned() {
    let _machine = machine().await;
    let server = RedisServer::start();
    let run = Run::of(SETUP, &server.url(), async {}).await;
    println!("cachekit, {} s: {}", run.seconds, run.summary);
    run.assert_consistent();
    assert!(run.summary.read_from(Source::Cache) > 0, "the cache was used");
    assert!(run.summary.lost_reads > 0 && run.summary.lost_writes > 0, "callers left");
    assert!(run.summary.applied > 0, "writes returned");
}

/// With pending writes, unknown fills and reads past the cache.
#[tokio::test(flavor = "multi_thread")]
async fn no_read_is_older_while_redis_fails() {
    let _machine = machine().await;
    let mut server = RedisServer::start();
    let mut nemesis = Nemesis::default();
    let seconds = seconds();
    let run = Run::of(SETUP, &server.url(), nemesis.haunt(&mut server, seconds)).await;
    println!("cachekit, {} s, {nemesis:?}: {}", run.seconds, run.summary);
    run.assert_consistent();
    assert!(run.summary.read_from(Source::Cache) > 0, "the cache was used");
    assert!(run.summary.read_from(Source::Bypass) > 0, "Redis was away");
}

/// The same harness finds the race that every hand-written cache-aside has: it is not blind.
#[tokio::test(flavor = "multi_thread")]
async fn plain_cache_aside_serves_stale_reads() {
    let _machine = machine().await;
    let server = RedisServer::start();
    let run = Run::of(Setup { subject: "plain", ..SETUP }, &server.url(), async {}).await;
    println!("GET/SETEX/DEL, {} s: {}", run.seconds, run.summary);
    assert!(!run.summary.violations.is_empty(), "seed {}: {}", run.seed, run.summary);
}

impl Run {
    /// Runs readers and writers as `setup` says, and `meanwhile` beside them.
    pub(crate) async fn of(setup: Setup, redis: &str, meanwhile: impl Future<Output = ()>) -> Run {
        let seconds = seconds();
        let seed = settings::seed();
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("database");
        let database = Database::create(&path, KEYS).await.expect("a database");
        let mut workers = Vec::new();
        for process in 0..setup.processes {
            let args = arguments(process, setup, redis, dir.path());
            let args = [args, vec![("seconds", seconds.to_string()), ("seed", seed.to_string())]];
            workers.push(Worker::start(&args.concat()).await);
        }
        for worker in &mut workers {
            worker.go().await;
        }
        meanwhile.await;
        let mut history = Vec::new();
        for (process, worker) in workers.into_iter().enumerate() {
            worker.finish(Duration::from_secs(seconds + 60)).await;
            let file = dir.path().join(process.to_string());
            history.extend(history::read(&file).expect("the worker's history"));
        }
        let left_stale = left_stale(redis, &database).await;
        let summary = Summary::within(setup.bound, &history);
        Run { seed, seconds, summary, history, left_stale }
    }

    pub(crate) fn assert_consistent(&self) {
        assert!(self.summary.violations.is_empty(), "{}", self.explain());
        assert_eq!(
            self.left_stale, [0; 0],
            "keys left stale, seed {}: {}",
            self.seed, self.summary
        );
        let longest = self.summary.longest();
        assert!(longest < Duration::from_secs(15), "a call took {longest:?}, seed {}", self.seed);
    }

    /// The first violations, each with the last events of its key.
    fn explain(&self) -> String {
        let mut text = format!("seed {}: {}\n", self.seed, self.summary);
        for violation in self.summary.violations.iter().take(3) {
            let _ = writeln!(text, "{}: {}", self.history[violation.read], violation.fault);
            for event in context(&self.history, *violation, 40) {
                let _ = writeln!(text, "    {event}");
            }
        }
        text
    }
}

fn arguments(process: u32, setup: Setup, redis: &str, dir: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("role", "calls".to_owned()),
        ("subject", setup.subject.to_owned()),
        ("bound_ms", setup.bound.as_millis().to_string()),
        ("pace_us", setup.pace.as_micros().to_string()),
        ("pause_us", setup.pause.as_micros().to_string()),
        ("redis", redis.to_owned()),
        ("database", dir.join("database").display().to_string()),
        ("history", dir.join(process.to_string()).display().to_string()),
        ("process", process.to_string()),
        ("keys", KEYS.to_string()),
        ("readers", "4".to_owned()),
        ("writers", "1".to_owned()),
    ]
}

/// Keys with another version in this library's cache than in the database.
async fn left_stale(redis: &str, database: &Database) -> Vec<u32> {
    let builder = Cache::builder().namespace("torture").redis(redis).await;
    let cache = builder.expect("a connection").build().expect("a cache");
    let mut stale = Vec::new();
    for id in 0..KEYS {
        let version = database.version(id).await.expect("the row's version");
        match cache.peek::<u64>(&key!("item:<id>")).await {
            Peek::Hit(cached) if cached != version => stale.push(id),
            _ => {}
        }
    }
    stale
}

/// How long a run lasts.
pub(crate) fn seconds() -> u64 {
    settings::number("CACHEKIT_TORTURE_SECONDS").unwrap_or(5)
}
