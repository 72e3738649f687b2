//! A cache whose shared store fails on command.

pub use crate::redis::Faults;

/// A Redis in memory, which fails, delays or loses replies on command: for tests of what a service does then, without a
/// server.
///
/// All of the cache's client is as it is in production, time-outs and reconnects included; only the server is none.
///
/// ```
/// use cachekit::{Cache, Outcome, Policy, Status, key, testing, with_status};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redis = testing::faulty();
/// let cache = Cache::builder().namespace("shop").redis(redis.url()).await?.build()?;
/// let policy = Policy::new(Duration::from_secs(60));
/// let read = async || {
///     let load = async || Ok::<_, std::io::Error>(7);
///     with_status(cache.get_or_load(key!("price"), &policy, load)).await
/// };
/// assert_eq!(read().await.1, Status::Loaded);
/// assert_eq!(read().await.1, Status::Hit);
///
/// redis.fail_next(1);
/// assert_eq!(read().await.1, Status::Bypassed); // a failure of the cache is no error of a read
///
/// redis.down();
/// assert_eq!(cache.invalidate(key!("price")).await, Outcome::Pending);
/// assert_eq!(read().await.1, Status::Bypassed);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn faulty() -> Faults {
    Faults::new()
}
