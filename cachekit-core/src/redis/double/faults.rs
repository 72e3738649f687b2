//! The handle: what is to go wrong, and when.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{broadcast, watch};

use super::{keys::Keys, resp::Reply};
use crate::clock::{Clock, ManualClock};

/// A Redis in memory that fails on command; from [`faulty`](crate::testing::faulty).
///
/// It lives as long as this handle, or a clone of it, does. Caches reach it by its [URL](Self::url), one or several of
/// them, as if they were processes.
///
/// It knows what a cache sends for its entries: reads, leases, fills, invalidations, and tracking. Streams, write-behind
/// and Bloom filters need a real Redis, and are refused.
#[derive(Clone)]
pub struct Faults {
    double: Arc<Double>,
}

/// The server's side.
pub(super) struct Double {
    host: String,
    url: String,
    keys: Mutex<Keys>,
    /// Whether it takes connections; those that there are end when this changes.
    pub(super) up: watch::Sender<bool>,
    /// Keys that were written or removed, `None` for all.
    pub(super) touched: broadcast::Sender<Option<Vec<u8>>>,
    fail_next: AtomicU32,
    lose_next: AtomicU32,
    delay_ms: AtomicU64,
    refuses_writes: AtomicBool,
    commands: AtomicU64,
    run: AtomicU64,
}

/// What a command meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    Refused,
    /// Done, and nobody will know.
    Lost,
}

/// The doubles of this process, by the name of their host.
static HOSTS: LazyLock<Mutex<HashMap<String, Weak<Double>>>> = LazyLock::new(Mutex::default);

impl Faults {
    pub(crate) fn new() -> Faults {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let host = format!("double-{}.test", NEXT.fetch_add(1, Ordering::Relaxed));
        let double = Arc::new(Double {
            url: format!("redis://{host}"),
            host: host.clone(),
            keys: Mutex::new(Keys::new(Clock::boot())),
            up: watch::Sender::new(true),
            touched: broadcast::Sender::new(4096),
            fail_next: AtomicU32::new(0),
            lose_next: AtomicU32::new(0),
            delay_ms: AtomicU64::new(0),
            refuses_writes: AtomicBool::new(false),
            commands: AtomicU64::new(0),
            run: AtomicU64::new(fastrand::u64(..)),
        });
        lock(&HOSTS).insert(host, Arc::downgrade(&double));
        Faults { double }
    }

    /// Where caches find it: `Cache::builder().namespace("app").redis(redis.url())`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.double.url
    }

    /// Lets its entries end by this clock, that of [`testing::clock`](crate::testing::clock).
    pub fn go_by(&self, clock: &Arc<ManualClock>) {
        self.double.keys().clock = Clock::manual(clock.clone());
    }

    /// Refuses the next commands: nothing is done, and whoever sent them is told so.
    pub fn fail_next(&self, commands: u32) {
        self.double.fail_next.store(commands, Ordering::Release);
    }

    /// Carries the next commands out and breaks the connection in place of a reply: nobody can tell whether they were.
    pub fn lose_replies(&self, commands: u32) {
        self.double.lose_next.store(commands, Ordering::Release);
    }

    /// Waits for so long before each command. Longer than the cache's response time-out, 250 ms, and it takes the server
    /// for frozen; zero for none.
    pub fn delay(&self, time: Duration) {
        let time = time.as_millis().try_into().unwrap_or(u64::MAX);
        self.double.delay_ms.store(time, Ordering::Release);
    }

    /// Refuses every command from now on, as a replica or a full disk does, until told otherwise.
    pub fn refuse_all(&self, refuse: bool) {
        self.double.refuses_writes.store(refuse, Ordering::Release);
    }

    /// Breaks every connection and takes no more.
    pub fn down(&self) {
        self.double.up.send_replace(false);
    }

    /// Takes connections again, with all that was in it. A cache finds out within a second.
    pub fn up(&self) {
        self.double.up.send_replace(true);
    }

    /// Breaks every connection and comes back empty.
    pub fn restart(&self) {
        self.down();
        self.double.keys().clear();
        self.double.run.store(fastrand::u64(..), Ordering::Release);
        self.up();
    }

    /// Loses all its keys, as with `FLUSHALL` or an eviction.
    pub fn flush(&self) {
        self.double.change(Keys::clear);
    }

    /// How many commands it was sent that have to do with entries.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.double.commands.load(Ordering::Acquire)
    }

    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.double.keys().names().len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Double {
    /// The double whose host is so called.
    pub(super) fn of(host: &str) -> Option<Arc<Double>> {
        lock(&HOSTS).get(host).and_then(Weak::upgrade)
    }

    /// Runs something on the keys, and tells whoever tracks them.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Keys) -> T) -> T {
        let mut keys = self.keys();
        let result = change(&mut keys);
        for key in keys.take_touched() {
            // Nobody tracks.
            let _ = self.touched.send(key);
        }
        result
    }

    /// Decides what the next command about entries meets.
    pub(super) fn fate(&self) -> Fate {
        self.commands.fetch_add(1, Ordering::AcqRel);
        let take = |left: &AtomicU32| {
            left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
                .is_ok()
        };
        if self.refuses_writes.load(Ordering::Acquire) || take(&self.fail_next) {
            Fate::Refused
        } else if take(&self.lose_next) {
            Fate::Lost
        } else {
            Fate::Done
        }
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.load(Ordering::Acquire))
    }

    /// What it says about itself.
    pub(super) fn info(&self) -> Reply {
        let run = self.run.load(Ordering::Acquire);
        Reply::Bytes(
            format!(
                "redis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:{run:040x}\r\nloading:0\r\n\
                 aof_enabled:0\r\nrole:master\r\nconnected_slaves:0\r\nmaster_replid:{run:040x}\r\n"
            )
            .into_bytes(),
        )
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        lock(&self.keys)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        lock(&HOSTS).remove(&self.host);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.double.url).finish()
    }
}

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Double").field(&self.url).finish()
    }
}
