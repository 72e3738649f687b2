//! What the test suites share: caches on a test's Redis, keys, waiting for what is to happen.

#![forbid(unsafe_code)]

mod entries;
mod polls;
mod until;
mod values;

use std::time::Duration;

use cachekit::{
    Cache, CacheBuilder, Key, LocalState, LocalTier, Policy, RedisOptions, Status, Ttl, key,
    with_status,
};
use cachekit_test_support::RedisServer;

pub use entries::Entries;
pub use polls::{Polls, first_poll};
pub use until::{PATIENCE, soon, until, until_async};
pub use values::Values;

/// Values for a minute, absences for the default time.
pub const POLICY: Policy = Policy::from_parts(Ttl::from_millis(60_000, 0), None);

/// The namespace of every test's cache.
pub const NAMESPACE: &str = "t";

/// A builder with the defaults, for the Redis at `url`.
///
/// # Panics
/// When the URL or the server is unsuitable.
pub async fn builder(url: &str) -> CacheBuilder {
    Cache::builder().namespace(NAMESPACE).redis(url).await.expect("the test's Redis")
}

/// A cache with the defaults, on the Redis at `url`: one process, so far as Redis can tell.
///
/// # Panics
/// When the URL or the server is unsuitable.
pub async fn cache(url: &str) -> Cache {
    builder(url).await.build().expect("the defaults make a cache")
}

/// Two handles to one cache: in this process, and over Redis as two processes have it.
///
/// # Panics
/// When the server is unsuitable.
pub async fn two_handles(server: &RedisServer) -> [[Cache; 2]; 2] {
    let embedded = Cache::builder().build().expect("the defaults make a cache");
    let url = server.url();
    [[embedded.clone(), embedded], [cache(&url).await, cache(&url).await]]
}

/// A builder whose link waits for slow replies: for tests in which a proxy holds commands.
///
/// # Panics
/// When the URL or the server is unsuitable.
pub async fn patient_builder(url: &str) -> CacheBuilder {
    with_options(url, RedisOptions::new().response_timeout(PATIENCE)).await
}

/// A builder for the Redis at `url` with these options.
///
/// # Panics
/// When the URL, an option or the server is unsuitable.
pub async fn with_options(url: &str, options: RedisOptions) -> CacheBuilder {
    let builder = Cache::builder().namespace(NAMESPACE).redis_options(options);
    builder.redis(url).await.expect("the test's Redis")
}

/// A cache with a local tier, on the Redis at `url`, whose link waits for slow replies. The tier is served.
///
/// # Panics
/// When the URL, the tier's settings or the server is unsuitable.
pub async fn with_local(url: &str, local: LocalTier) -> Cache {
    let cache = local_builder(url, local).await.build().expect("a cache");
    until_local(&cache, true).await;
    cache
}

/// A builder with a local tier, for the Redis at `url`, whose link waits for slow replies.
///
/// # Panics
/// When the URL, the tier's settings or the server is unsuitable.
pub async fn local_builder(url: &str, local: LocalTier) -> CacheBuilder {
    let options = RedisOptions::new().response_timeout(PATIENCE);
    let builder = Cache::builder().namespace(NAMESPACE).redis_options(options).local(local);
    builder.redis(url).await.expect("the test's Redis")
}

/// Waits until copies are served, or no longer are.
///
/// # Panics
/// When that does not happen.
#[track_caller]
pub fn until_local(cache: &Cache, served: bool) -> impl Future<Output = ()> {
    let cache = cache.clone();
    until("the local tier's state changed", move || {
        matches!(cache.local_state(), LocalState::Suspect) != served
    })
}

/// The shortest lease that is allowed: tests wait for its end.
pub const SHORT_LEASE: Duration = Duration::from_millis(300);

/// `item:<id>`.
#[must_use]
pub fn item(id: u64) -> Key {
    key!("item:<id>")
}

/// A loader for a key that must be cached.
///
/// # Errors
/// Never.
///
/// # Panics
/// Always.
pub async fn cached<T>() -> Result<T, ()> {
    panic!("it is cached, so nothing is to be loaded")
}

/// Reads keys that nobody else does until the cache uses its Redis, or no longer does.
///
/// # Panics
/// When that does not happen.
pub async fn until_linked(cache: &Cache, linked: bool) {
    until_async("the link changed", async || {
        let read =
            cache.get_or_load(item(fastrand::u64(1 << 32..)), &POLICY, async || Ok::<_, ()>(0_u64));
        let (_, status) = with_status(read).await;
        (status != Status::Bypassed) == linked
    })
    .await;
}
