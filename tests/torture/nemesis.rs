//! Whatever goes wrong with a Redis, again and again.

use std::time::Duration;

use cachekit_test_support::RedisServer;
use tokio::time::{self, Instant};

/// What was done to the server, and how often.
#[derive(Debug, Default)]
pub(crate) struct Nemesis {
    flushed: u32,
    disconnected: u32,
    frozen: u32,
    restarted: u32,
}

impl Nemesis {
    /// Does its worst for `seconds`, less a rest at the end.
    pub(crate) async fn haunt(&mut self, server: &mut RedisServer, seconds: u64) {
        let end = Instant::now() + Duration::from_secs(seconds.saturating_sub(2));
        let mut round = 0;
        while Instant::now() < end {
            time::sleep(Duration::from_millis(fastrand::u64(200..800))).await;
            self.strike(server, round).await;
            round += 1;
        }
    }

    async fn strike(&mut self, server: &mut RedisServer, round: u32) {
        match round % 4 {
            0 => {
                server.connection().call(&["FLUSHALL"]);
                self.flushed += 1;
            }
            1 => {
                server.connection().call(&["CLIENT", "KILL", "TYPE", "normal"]);
                self.disconnected += 1;
            }
            2 => {
                server.stop_with_sigstop();
                time::sleep(Duration::from_millis(fastrand::u64(50..700))).await;
                server.cont();
                self.frozen += 1;
            }
            _ => {
                server.restart();
                self.restarted += 1;
            }
        }
    }
}
