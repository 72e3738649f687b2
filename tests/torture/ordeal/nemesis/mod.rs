//! Whatever can go wrong, again and again, in an order that the seed decides.

mod members;
mod redis;

use std::time::Duration;

use fastrand::Rng;
use tokio::time::{self, Instant};

pub(super) use members::Members;
pub(super) use redis::Redis;

/// How long a fault lasts.
fn while_(rng: &mut Rng, most: u64) -> impl Future<Output = ()> + use<> {
    time::sleep(Duration::from_millis(rng.u64(most / 8..=most)))
}

/// For how long, and with what pauses between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub(super) until: Instant,
    pub(super) calm: Duration,
}

impl Term {
    /// A pause, unless it is over.
    async fn goes_on(self, rng: &mut Rng) -> bool {
        let most = u64::try_from(self.calm.as_millis()).unwrap_or(u64::MAX);
        time::sleep(Duration::from_millis(rng.u64(most / 10..=most))).await;
        Instant::now() < self.until
    }
}
