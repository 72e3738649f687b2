//! Processes are killed at every point between a write and the end of its invalidation, and nothing stale remains.

mod doomed;
mod round;
mod verdict;
mod world;

use std::{collections::BTreeMap, time::Duration};

use cachekit_torture::host::{self, Hosted};
use fastrand::Rng;
use sqlx::{MySql, Postgres, Sqlite};

use crate::{
    fleet::machine,
    settings::{number, seed, tell},
};
use doomed::Point;
pub(crate) use round::Strike;
use verdict::Counts;
pub(crate) use verdict::Wrong;
pub(crate) use world::{ITEMS, World};

/// How long the survivors may take.
const SETTLED: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stale_remains_of_processes_killed_on_postgres() {
    survive::<Postgres>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stale_remains_of_processes_killed_on_mariadb() {
    survive::<MySql>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stale_remains_of_processes_killed_on_sqlite() {
    survive::<Sqlite>().await;
}

/// The same rounds find what is left behind where no relay is at work: they are not blind.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_a_killed_process_leaves_stale_entries() {
    let _machine = machine().await;
    let seed = seed();
    tell(format_args!("seed {seed}"));
    let mut world = World::<Sqlite>::start(seed, false, 0).await;
    let points = [Point::BeforeInvalidation, Point::BetweenKeys, Point::BeforeCommit];
    let points = points.map(|point| (point, false));
    world.say("work").await;
    let mut rng = Rng::with_seed(seed);
    let left = world.round(&points, Strike::None, 1, &mut rng).await;
    let (wrong, counts) = world.settle(Duration::from_secs(2)).await;
    println!("no relay: {left:?}, {wrong:?}, {counts:?}");
    assert_eq!(left.stale, 5, "three items of one, and two of the other");
    assert_eq!((wrong.in_redis.len(), wrong.in_survivors.len()), (5, 10), "{wrong:?}");
    assert!(wrong.pending >= 2 && wrong.lost == 0, "{wrong:?}");
}

/// Rounds until enough processes were killed.
async fn survive<DB: Hosted>() {
    let _machine = machine().await;
    let seed = seed();
    let kills = number("CACHEKIT_TORTURE_KILLS").unwrap_or(10);
    tell(format_args!("seed {seed}"));
    let mut rng = Rng::with_seed(seed);
    let mut world = World::<DB>::start(seed, true, 1).await;
    let has_network = DB::port(&world.server).is_some();
    let points =
        Point::ALL.into_iter().filter(|point| has_network || *point != Point::CommitUnheard);
    let points: Vec<_> = points.collect();
    let mut run = Run::default();
    while run.kills() < kills {
        let strike = match run.rounds % 2 {
            0 => Strike::None,
            _ if rng.bool() => Strike::Frozen,
            _ => Strike::Killed,
        };
        let points: Vec<_> = points.iter().map(|point| (*point, rng.bool())).collect();
        let left = world.round(&points, strike, run.next_tx(), &mut rng).await;
        let (wrong, counts) = world.settle(SETTLED).await;
        assert_eq!(wrong, Wrong::default(), "seed {seed}, {strike:?}, {left:?}, {counts:?}");
        for (tx, point) in &left.killed {
            let committed = world.count(&format!("ledger WHERE tx = {tx}")).await == 1;
            assert_eq!(committed, *point != Point::BeforeCommit, "seed {seed}, {tx}, {point:?}");
        }
        run.note(&left, strike, counts);
    }
    tell(format_args!("{}: {run:?}", DB::KIND));
    assert!(run.stale > 0, "seed {seed}: no crash left anything stale");
    assert!(run.repeated > 0, "seed {seed}: no row was applied twice");
    assert!(run.cached > 0, "seed {seed}: nothing was in the cache");
}

/// What all rounds did.
#[derive(Debug, Default)]
struct Run {
    rounds: usize,
    killed: BTreeMap<Point, u64>,
    /// Rounds in which Redis was frozen, and in which it was killed.
    redis: [u64; 2],
    /// Stale items that the dead left in Redis.
    stale: usize,
    reads: u64,
    writes: u64,
    failures: u64,
    repeated: i64,
    cached: usize,
}

impl Run {
    fn kills(&self) -> u64 {
        self.killed.values().sum()
    }

    /// Each process has a hundred numbers.
    fn next_tx(&self) -> i64 {
        i64::try_from(self.rounds).expect("few rounds") * 10_000 + 1
    }

    fn note(&mut self, left: &round::Left, strike: Strike, counts: Counts) {
        self.rounds += 1;
        self.redis[0] += u64::from(strike == Strike::Frozen);
        self.redis[1] += u64::from(strike == Strike::Killed);
        for (_, point) in &left.killed {
            *self.killed.entry(*point).or_default() += 1;
        }
        self.stale += left.stale;
        self.reads += counts.reads;
        self.writes += counts.writes;
        self.failures += counts.failures;
        self.repeated = counts.repeated;
        self.cached = counts.cached;
    }
}
