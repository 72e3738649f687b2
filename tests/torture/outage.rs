//! Redis is away under write load: writes go on, their process sees them, and all is made good when it is back.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cachekit::Outcome;
use cachekit_test_support::{Proxy, invalidation};
use cachekit_torture::{
    host::Hosted,
    service::{Service, builder},
};
use fastrand::Rng;
use sqlx::{MySql, Postgres, Sqlite};
use tokio::{task::JoinSet, time};

use crate::{
    crash::{ITEMS, Strike, World, Wrong},
    fleet::machine,
    settings::{comes, number, seed, tell},
};

/// A write waits for up to 200 ms in vain.
const WRITERS: usize = 64;

/// How long after the return of Redis rows may be pending.
const SOON: Duration = Duration::from_secs(2);

/// What no write takes, not even where SQLite lets its writers in at random.
const SLOW: Duration = Duration::from_secs(10);

/// How much memory the wait may cost, in KiB.
const GROWTH: u64 = 32 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_while_redis_is_dead_before_postgres() {
    outage::<Postgres>(Strike::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_while_redis_is_dead_before_sqlite() {
    outage::<Sqlite>(Strike::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_while_redis_is_frozen_before_mariadb() {
    outage::<MySql>(Strike::Frozen).await;
}

/// What the writers of this process do and see.
struct Load<DB: Hosted> {
    service: Service<DB>,
    /// The last version of each item whose write had returned.
    floors: Vec<AtomicI64>,
    next_tx: AtomicI64,
    stopped: AtomicBool,
    writes: AtomicU64,
    /// Writes that say that Redis has heard of them.
    applied: AtomicU64,
    /// Of a write, in microseconds.
    slowest: AtomicU64,
    stale: AtomicU64,
}

/// The survivors of the crash tests read and relay; this process writes.
async fn outage<DB: Hosted>(strike: Strike) {
    let _machine = machine().await;
    let (seed, seconds) = (seed(), number("CACHEKIT_TORTURE_OUTAGE").unwrap_or(3));
    tell(format_args!("seed {seed}"));
    let mut rng = Rng::with_seed(seed);
    let mut world = World::<DB>::start(seed, true, 0).await;
    let proxy = Proxy::start(world.redis.port());
    let load = Load::before(&world, &proxy.url()).await;
    // The first second is for whatever is allocated once.
    load.write_for(Duration::from_secs(1), &mut rng).await;
    let (memory, unlinks) = (memory(), proxy.count(invalidation));
    load.reset();
    world.strike(strike);
    load.write_for(Duration::from_secs(seconds), &mut rng).await;
    let pending = world.count("cachekit_outbox WHERE state = 0").await;
    world.unstrike(strike);
    let back = Instant::now();
    let none = async || world.count("cachekit_outbox WHERE state = 0").await == 0;
    assert!(comes(Duration::from_secs(60), none).await, "seed {seed}: rows stay pending");
    let took = back.elapsed();
    let grown = self::memory().saturating_sub(memory);
    tell(format_args!(
        "{} {strike:?} for {seconds} s: {load}; {pending} rows took {took:?}, {grown} KiB",
        DB::KIND
    ));
    load.assert_went_on(seed);
    assert!(took < SOON, "seed {seed}: {pending} rows took {took:?}");
    assert!(grown < GROWTH, "seed {seed}: {grown} KiB more");
    let (wrong, counts) = world.settle(Duration::from_secs(10)).await;
    assert_eq!(wrong, Wrong::default(), "seed {seed}, {counts:?}");
    // However many writes of a key wait, its queue holds it once: one on its way, and one for all that came later.
    let sent = proxy.count(invalidation) - unlinks;
    assert!(sent <= 2 * ITEMS as usize, "seed {seed}: {sent} commands");
}

impl<DB: Hosted> Load<DB> {
    async fn before(world: &World<DB>, redis: &str) -> Arc<Load<DB>> {
        let builder = builder(redis, Duration::from_millis(250)).await.expect("a connection");
        let cache = builder.build().expect("a cache");
        let service = Service { cache, pool: world.pool.clone() };
        Arc::new(Load {
            service,
            floors: (0..ITEMS).map(|_| AtomicI64::new(0)).collect(),
            next_tx: AtomicI64::new(1),
            stopped: AtomicBool::new(false),
            writes: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            slowest: AtomicU64::new(0),
            stale: AtomicU64::new(0),
        })
    }

    async fn write_for(self: &Arc<Self>, limit: Duration, rng: &mut Rng) {
        self.stopped.store(false, Ordering::SeqCst);
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            writers.spawn(self.clone().writes(rng.fork()));
        }
        time::sleep(limit).await;
        self.stopped.store(true, Ordering::SeqCst);
        writers.join_all().await;
    }

    async fn writes(self: Arc<Self>, mut rng: Rng) {
        while !self.stopped.load(Ordering::SeqCst) {
            let first = rng.u32(..ITEMS - 1);
            let items = [first, rng.u32(first + 1..ITEMS)];
            self.write(items).await;
            for id in items {
                self.read(id).await;
            }
            self.read(rng.u32(..ITEMS)).await;
        }
    }

    async fn write(&self, items: [u32; 2]) {
        let begun = Instant::now();
        let tx = self.next_tx.fetch_add(1, Ordering::SeqCst);
        let written = self.service.write(tx, &items).await;
        let (versions, committed) = written.expect("writes do not need Redis");
        let took = u64::try_from(begun.elapsed().as_micros()).expect("not for ever");
        self.slowest.fetch_max(took, Ordering::SeqCst);
        self.writes.fetch_add(1, Ordering::SeqCst);
        let applied = committed.invalidation == Outcome::Applied;
        self.applied.fetch_add(applied.into(), Ordering::SeqCst);
        for (id, version) in items.iter().zip(versions) {
            self.floors[*id as usize].fetch_max(version, Ordering::SeqCst);
        }
    }

    async fn read(&self, id: u32) {
        let floor = self.floors[id as usize].load(Ordering::SeqCst);
        let version = self.service.read(id).await.expect("reads do not need Redis");
        self.stale.fetch_add((version < floor).into(), Ordering::SeqCst);
    }

    fn reset(&self) {
        for count in [&self.writes, &self.applied, &self.slowest] {
            count.store(0, Ordering::SeqCst);
        }
    }

    fn assert_went_on(&self, seed: u64) {
        let count = |count: &AtomicU64| count.load(Ordering::SeqCst);
        assert_eq!(count(&self.stale), 0, "seed {seed}: this process did not read its own writes");
        assert_eq!(count(&self.applied), 0, "seed {seed}: nobody can have heard of these");
        assert!(count(&self.writes) > 2 * u64::from(ITEMS), "seed {seed}: {self}");
        let slowest = Duration::from_micros(count(&self.slowest));
        assert!(slowest < SLOW, "seed {seed}: a write took {slowest:?}");
    }
}

impl<DB: Hosted> std::fmt::Display for Load<DB> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let (writes, applied) = (count(&self.writes), count(&self.applied));
        let slowest = Duration::from_micros(count(&self.slowest));
        write!(f, "{writes} writes, {applied} applied, the slowest {slowest:?}")
    }
}

/// What this process occupies, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
