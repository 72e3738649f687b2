//! One hot key that ends again and again, two processes, two hundred readers: nobody waits, and each refresh is one load.

use std::{collections::BTreeMap, time::Duration};

use cachekit_test_support::RedisServer;

use crate::{
    fleet::{Worker, machine},
    settings::{number, tell},
};

const PROCESSES: u64 = 2;
const READERS: u64 = 100;
const LOAD_MS: u64 = 250;
/// As the worker's attribute says: an entry is refreshed when 40 % of its life is left.
const DUE: f64 = 0.6;

#[tokio::test(flavor = "multi_thread")]
async fn early_refresh_keeps_callers_from_waiting() {
    let _machine = machine().await;
    let seconds = number("CACHEKIT_TORTURE_SECONDS").unwrap_or(8).max(4);
    // Long runs have the ten seconds of the real world.
    let ttl_ms: u64 = if seconds >= 60 { 10_000 } else { 2_000 };
    let server = RedisServer::start();
    let mut workers = Vec::new();
    for _ in 0..PROCESSES {
        let args = [
            ("role", "refresh".to_owned()),
            ("redis", server.url()),
            ("readers", READERS.to_string()),
            ("seconds", seconds.to_string()),
            ("ttl_ms", ttl_ms.to_string()),
            ("load_ms", LOAD_MS.to_string()),
        ];
        workers.push(Worker::start(&args).await);
    }
    for worker in &mut workers {
        worker.go().await;
    }
    let mut told = Told::default();
    for worker in workers {
        told.hear(worker.finish(Duration::from_secs(seconds + 30)).await);
    }
    told.loads.sort_unstable();
    tell(told.report(ttl_ms, seconds));
    told.judge(ttl_ms, seconds);
}

#[derive(Debug, Default)]
struct Told {
    /// When loads began, in nanoseconds.
    loads: Vec<u64>,
    reads: BTreeMap<String, u64>,
    slowest: Duration,
}

impl Told {
    fn hear(&mut self, lines: Vec<String>) {
        for line in lines {
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["load", at] => self.loads.push(at.parse().expect("nanoseconds")),
                ["reads", status, reads] => {
                    let reads: u64 = reads.parse().expect("a number");
                    *self.reads.entry(status.to_owned()).or_default() += reads;
                }
                ["slowest", micros] => {
                    let slowest = Duration::from_micros(micros.parse().expect("microseconds"));
                    self.slowest = self.slowest.max(slowest);
                }
                ["warm"] => {}
                _ => panic!("a worker said {line:?}"),
            }
        }
    }

    /// The shortest time from one load to the next, in milliseconds.
    fn closest(&self) -> u64 {
        let gaps = self.loads.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000);
        gaps.min().unwrap_or(u64::MAX)
    }

    fn report(&self, ttl_ms: u64, seconds: u64) -> String {
        format!(
            "early refresh: {seconds} s, ttl {ttl_ms} ms: {} loads, at least {} ms apart; reads \
             {:?}, slowest {:?}",
            self.loads.len(),
            self.closest(),
            self.reads,
            self.slowest
        )
    }

    fn judge(&self, ttl_ms: u64, seconds: u64) {
        // Where nobody has loaded, who has joined another caller has joined its look at Redis. How long that takes is
        // the machine's business.
        let waited = self.reads.keys().any(|status| status != "hit" && status != "joined");
        assert!(!waited, "somebody waited for a load");
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
        #[expect(clippy::cast_sign_loss, reason = "milliseconds of a test")]
        let due_ms = (ttl_ms as f64 * DUE) as u64;
        assert!(self.closest() >= due_ms, "a refresh was more than one load");
        let refreshes = seconds * 1000 / due_ms;
        let loads = self.loads.len() as u64;
        assert!(loads <= refreshes + 2, "{loads} loads, {refreshes} refreshes");
        assert!(loads > refreshes / 2, "it was refreshed at all");
    }
}
