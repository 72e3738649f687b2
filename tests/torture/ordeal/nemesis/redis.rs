//! What happens to the Redis of all.

use cachekit_test_support::{RedisServer, Reply, ShiftedClock};
use fastrand::Rng;

use super::{Term, while_};
use crate::{ordeal::Faults, service::ORDEAL};

/// Something that happens to it.
#[derive(Clone, Copy, Debug)]
enum Strike {
    Flushed,
    Disconnected,
    Frozen,
    Restarted,
    ScriptsForgotten,
    Evicting,
    OutOfMemory,
    Busy,
    ReadOnly,
    EntriesLost,
    EntriesGarbled,
    ClockSet,
}

impl Strike {
    const ALL: [Strike; 12] = [
        Strike::Flushed,
        Strike::Disconnected,
        Strike::Frozen,
        Strike::Restarted,
        Strike::ScriptsForgotten,
        Strike::Evicting,
        Strike::OutOfMemory,
        Strike::Busy,
        Strike::ReadOnly,
        Strike::EntriesLost,
        Strike::EntriesGarbled,
        Strike::ClockSet,
    ];

    fn name(self) -> &'static str {
        match self {
            Strike::Flushed => "Redis flushed",
            Strike::Disconnected => "Redis closed all connections",
            Strike::Frozen => "Redis stopped (SIGSTOP)",
            Strike::Restarted => "Redis killed, restarted empty",
            Strike::ScriptsForgotten => "Redis forgot its scripts",
            Strike::Evicting => "Redis evicting",
            Strike::OutOfMemory => "Redis out of memory",
            Strike::Busy => "Redis busy (DEBUG SLEEP)",
            Strike::ReadOnly => "Redis read-only",
            Strike::EntriesLost => "entries lost",
            Strike::EntriesGarbled => "entries overwritten with rubbish",
            Strike::ClockSet => "Redis's clock set ahead or back",
        }
    }
}

/// What it is done to.
pub(in crate::ordeal) struct Redis<'a> {
    pub(in crate::ordeal) server: &'a mut RedisServer,
    pub(in crate::ordeal) clock: &'a ShiftedClock,
    pub(in crate::ordeal) keys: u32,
}

impl Redis<'_> {
    /// Strikes until it is time, and leaves a healthy server.
    pub(in crate::ordeal) async fn haunt(mut self, term: Term, mut rng: Rng) -> Faults {
        let mut faults = Faults::default();
        let mut shift = 0;
        while term.goes_on(&mut rng).await {
            let strike = Strike::ALL[rng.usize(..Strike::ALL.len())];
            self.strike(strike, &mut shift, &mut rng).await;
            faults.note(strike.name());
        }
        faults
    }

    async fn strike(&mut self, strike: Strike, shift: &mut i64, rng: &mut Rng) {
        match strike {
            Strike::Flushed => self.call(&["FLUSHALL"]),
            Strike::Disconnected => self.call(&["CLIENT", "KILL", "SKIPME", "yes"]),
            Strike::ScriptsForgotten => self.call(&["SCRIPT", "FLUSH"]),
            Strike::Busy => self.call(&["DEBUG", "SLEEP", &format!("0.{}", rng.u32(1..5))]),
            Strike::Restarted => self.server.restart(),
            Strike::Frozen => {
                self.server.stop_with_sigstop();
                while_(rng, 900).await;
                self.server.cont();
            }
            Strike::Evicting => self.evict(rng).await,
            Strike::OutOfMemory => {
                self.server.config_set("maxmemory-policy", "noeviction");
                self.server.config_set("maxmemory", "1");
                while_(rng, 700).await;
                self.server.config_set("maxmemory", "0");
            }
            Strike::ReadOnly => {
                // Nobody listens there: a replica that waits for its primary.
                self.call(&["REPLICAOF", "127.0.0.1", "1"]);
                while_(rng, 700).await;
                self.call(&["REPLICAOF", "NO", "ONE"]);
            }
            Strike::EntriesLost => self.on_entries(rng, |key| vec!["DEL".to_owned(), key]),
            Strike::EntriesGarbled => self
                .on_entries(rng, |key| ["SET", &key, "rubbish", "XX"].map(str::to_owned).to_vec()),
            // By turns, so that no lease gains more than one jump.
            Strike::ClockSet => {
                let sign = if *shift < 0 { 1 } else { -1 };
                *shift = sign * rng.i64(250..2_500);
                self.clock.shift_ms(*shift);
            }
        }
    }

    /// What is there is all it has room for.
    async fn evict(&self, rng: &mut Rng) {
        let Reply::Bulk(Some(info)) = self.server.connection().call(&["INFO", "memory"]) else {
            return;
        };
        let info = String::from_utf8_lossy(&info).into_owned();
        let used =
            info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap_or("2000000");
        self.server.config_set("maxmemory-policy", "allkeys-random");
        self.server.config_set("maxmemory", used);
        while_(rng, 900).await;
        self.server.config_set("maxmemory", "0");
    }

    fn on_entries(&self, rng: &mut Rng, command: impl Fn(String) -> Vec<String>) {
        let mut connection = self.server.connection();
        for _ in 0..16 {
            let words = command(format!("ck:{ORDEAL}:item:{}", rng.u32(..self.keys)));
            let words = words.iter().map(String::as_str).collect::<Vec<_>>();
            let _ = connection.try_call(&words);
        }
    }

    fn call(&self, words: &[&str]) {
        // It may close the very connection that this comes over.
        let _ = self.server.connection().try_call(words);
    }
}
