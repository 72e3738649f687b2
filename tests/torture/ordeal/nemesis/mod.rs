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

/// A pause, unless it is over.
async fn pauses(rng: &mut Rng, until: Instant) -> bool {
    time::sleep(Duration::from_millis(rng.u64(50..500))).await;
    Instant::now() < until
}
