//! One round: a process for each point, all killed at once, and perhaps Redis with them.

use std::time::Duration;

use fastrand::Rng;
use tokio::time;

use super::{
    doomed::{Doomed, Point},
    host::Hosted,
    world::World,
};
use crate::settings::comes;

/// What happens to Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    None,
    Frozen,
    Killed,
}

/// What a round left behind, before the survivors have settled.
#[derive(Debug)]
pub(super) struct Left {
    /// The transaction of each process that was killed, where it died, and whether it is in the ledger.
    pub(super) killed: Vec<(i64, Point)>,
    /// How many items were stale in Redis when their process had come to its point.
    pub(super) stale: usize,
}

impl<DB: Hosted> World<DB> {
    /// Kills one process at each of these points; what it was sending arrives after that, or never.
    pub(super) async fn round(
        &mut self,
        points: &[(Point, bool)],
        strike: Strike,
        next_tx: i64,
        rng: &mut Rng,
    ) -> Left {
        let mut doomed = Vec::new();
        for (slot, (point, is_late)) in (0..).zip(points) {
            let tx = next_tx + i64::from(slot) * 100;
            doomed.push(Doomed::start(self, *point, tx, slot, *is_late).await);
        }
        self.until_cached(&doomed).await;
        let mut stale = 0;
        for process in &mut doomed {
            process.bring(self).await;
            if process.point.leaves_stale() {
                // Now: a second later a survivor may have made it good.
                let wrong = self.in_redis().await.wrong;
                stale += process.items.iter().filter(|id| wrong.contains(id)).count();
            }
        }
        self.cut_ways(rng);
        let killed = doomed.iter().map(|process| (process.tx, process.point)).collect();
        self.kill(doomed, strike, rng).await;
        Left { killed, stale }
    }

    /// Waits until the survivors have read what is to become stale.
    async fn until_cached(&self, doomed: &[Doomed]) {
        let cached = async || {
            let right = self.in_redis().await.right;
            doomed.iter().flat_map(|process| &process.items).all(|id| right.contains(id))
        };
        // Survivors write as well: now and then some item is not there.
        comes(Duration::from_secs(1), cached).await;
    }

    async fn kill(&mut self, doomed: Vec<Doomed>, strike: Strike, rng: &mut Rng) {
        self.strike(strike);
        let mut proxies = Vec::new();
        for process in doomed {
            proxies.push(process.kill().await);
        }
        if strike != Strike::None {
            time::sleep(Duration::from_millis(rng.u64(100..800))).await;
        }
        self.unstrike(strike);
        // The survivors go on for a while, with late commands of the dead among theirs.
        time::sleep(Duration::from_millis(rng.u64(50..300))).await;
    }

    /// Takes Redis away.
    pub(crate) fn strike(&mut self, strike: Strike) {
        match strike {
            Strike::None => {}
            Strike::Frozen => self.redis.stop_with_sigstop(),
            Strike::Killed => self.redis.kill(),
        }
    }

    /// Brings it back, with what it had.
    pub(crate) fn unstrike(&mut self, strike: Strike) {
        match strike {
            Strike::None => {}
            Strike::Frozen => self.redis.cont(),
            Strike::Killed => self.redis.restart(),
        }
    }
}
