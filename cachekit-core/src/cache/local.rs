//! The in-process tier over Redis, as users ask for it.

use std::time::Duration;

use crate::{
    error::{Error, ErrorKind},
    tier::Bound,
};

const STALENESS: Duration = Duration::from_secs(1);
const HEARTBEAT_MOST: Duration = Duration::from_millis(250);
const HEARTBEAT_LEAST: Duration = Duration::from_millis(10);

/// Copies in this process of what is in Redis: hits cost no round trip.
///
/// Redis tells this process of every change, over a connection of its own, and brings back its heartbeats. A copy is
/// served only while a heartbeat that was sent less than [`staleness`](Self::staleness) ago has come back, so that
/// **no read is given what a write in another process made stale more than that long before the read began**,
/// whatever becomes of the connection; typically it is told within a millisecond. What this process itself
/// invalidates is never given again, from the moment the write returns.
///
/// A cached read inside the load of another one, or of a response, is not given a copy: what that load brings is stored
/// for every process, and must not be older than Redis is.
///
/// Only what was read from Redis is copied, so a value is copied the second time it is asked for. Needs Redis itself
/// or something that passes on `CLIENT TRACKING`; see [`by_ttl_only`](Self::by_ttl_only) for what does not.
///
/// ```no_run
/// use std::time::Duration;
/// use cachekit_core::{Cache, LocalTier};
///
/// # async fn build() -> Result<(), cachekit_core::Error> {
/// let local = LocalTier::new().max_entries(50_000).staleness(Duration::from_millis(500));
/// let cache = Cache::builder()
///     .namespace("shop")
///     .local(local)
///     .redis("redis://localhost")
///     .await?
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "pass it to `CacheBuilder::local`"]
pub struct LocalTier {
    bound: Option<Bound>,
    max_ttl: Option<Duration>,
    watch: Watch,
}

#[derive(Clone, Copy, Debug)]
enum Watch {
    Tracking { staleness: Duration, heartbeat: Option<Duration> },
    Ttl,
}

impl LocalTier {
    /// As many entries as [`CacheBuilder::max_entries`](crate::CacheBuilder::max_entries) says, at most 1 s stale.
    pub fn new() -> Self {
        let watch = Watch::Tracking { staleness: STALENESS, heartbeat: None };
        Self { bound: None, max_ttl: None, watch }
    }

    /// Copies that nobody is told about: each is served for `ttl` and no longer, however long it has in Redis.
    ///
    /// The weaker bound: a read may be given what another process made stale up to `ttl` before, *and usually is*,
    /// where [`new`](Self::new) is told within a millisecond. What this process itself invalidates is still never
    /// given again. For servers, or proxies before them, without `CLIENT TRACKING`.
    pub fn by_ttl_only(ttl: Duration) -> Self {
        Self { bound: None, max_ttl: Some(ttl), watch: Watch::Ttl }
    }

    /// How many entries it may hold; else what the builder's
    /// [`max_entries`](crate::CacheBuilder::max_entries) says, 10 000 by default.
    pub fn max_entries(self, entries: usize) -> Self {
        Self { bound: Some(Bound::Entries(entries)), ..self }
    }

    /// Bounds it by weight instead: bytes as they are in Redis, or what the value's
    /// [`Weigh`](crate::Weigh) says where its policy asks that. `estimated_entries` sizes the tables. An entry
    /// heavier than one shard's share of the weight, at worst a small part of it, is not copied.
    pub fn max_weight(self, max: u64, estimated_entries: usize) -> Self {
        Self { bound: Some(Bound::Weight { max, estimated_entries }), ..self }
    }

    /// How far a read may be behind writes of other processes; 1 s by default, at least 40 ms.
    ///
    /// This long after the connection went silent copies are no longer served, and reads go to Redis until it is
    /// back. A heartbeat is sent four times as often, at least every 250 ms.
    pub fn staleness(mut self, bound: Duration) -> Self {
        if let Watch::Tracking { staleness, .. } = &mut self.watch {
            *staleness = bound;
        }
        self
    }

    /// How often a heartbeat is sent: a quarter of [`staleness`](Self::staleness), at most 250 ms, by default; at
    /// least 10 ms, and at most half of the staleness.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        if let Watch::Tracking { heartbeat, .. } = &mut self.watch {
            *heartbeat = Some(every);
        }
        self
    }

    /// How long a copy lives at most; by default as long as the entry in Redis.
    pub fn max_ttl(self, ttl: Duration) -> Self {
        let max_ttl = Some(self.max_ttl.map_or(ttl, |before| before.min(ttl)));
        Self { max_ttl, ..self }
    }

    pub(super) fn bound(&self) -> Option<Bound> {
        self.bound
    }

    pub(super) fn max_ttl_ms(&self) -> u64 {
        self.max_ttl.map_or(u64::MAX, |ttl| ttl.as_millis().try_into().unwrap_or(u64::MAX))
    }

    /// The bound and how often a heartbeat is sent; `None` where nobody is told.
    pub(super) fn tracking(&self) -> Option<(Duration, Duration)> {
        match self.watch {
            Watch::Tracking { staleness, heartbeat } => {
                let derived = (staleness / 4).min(HEARTBEAT_MOST);
                Some((staleness, heartbeat.unwrap_or(derived)))
            }
            Watch::Ttl => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse =
            |message: String| Err(Error::new(ErrorKind::Config, "set up the local tier", message));
        if self.max_ttl_ms() == 0 {
            return refuse(
                "its TTL is below 1 ms, so that no copy would ever be served".to_owned(),
            );
        }
        if self.bound == Some(Bound::Entries(0)) {
            return refuse(
                "`max_entries` must be at least 1; for no copies do not call `local`".to_owned(),
            );
        }
        let Some((staleness, heartbeat)) = self.tracking() else { return Ok(()) };
        if heartbeat < HEARTBEAT_LEAST {
            return refuse(format!(
                "its staleness is {staleness:?} and its heartbeat {heartbeat:?}; give at least 40 ms and 10 ms"
            ));
        }
        if staleness < heartbeat * 2 {
            return refuse(format!(
                "its staleness ({staleness:?}) is less than two heartbeats ({heartbeat:?} each), so that copies would \
                 not be served most of the time"
            ));
        }
        Ok(())
    }
}

impl Default for LocalTier {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_heartbeat_is_a_quarter_of_the_bound_and_at_most_250_ms() {
        let heartbeat = |local: LocalTier| local.tracking().unwrap().1;
        assert_eq!(heartbeat(LocalTier::new()), ms(250));
        assert_eq!(heartbeat(LocalTier::new().staleness(ms(200))), ms(50));
        assert_eq!(heartbeat(LocalTier::new().staleness(ms(60_000))), ms(250));
        assert_eq!(heartbeat(LocalTier::new().heartbeat(ms(100))), ms(100));
        assert!(LocalTier::by_ttl_only(ms(5)).staleness(ms(7)).tracking().is_none());
    }

    #[test]
    fn bounds_that_could_not_be_kept_are_refused() {
        for (local, part) in [
            (LocalTier::new().staleness(ms(39)), "at least 40 ms"),
            (LocalTier::new().heartbeat(ms(9)), "10 ms"),
            (LocalTier::new().staleness(ms(100)).heartbeat(ms(250)), "less than two heartbeats"),
            (LocalTier::by_ttl_only(Duration::from_micros(999)), "below 1 ms"),
            (LocalTier::new().max_ttl(ms(0)), "below 1 ms"),
            (LocalTier::new().max_entries(0), "at least 1"),
        ] {
            let error = local.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(part), "{error}");
        }
        LocalTier::new().check().unwrap();
        LocalTier::new().staleness(ms(40)).check().unwrap();
        LocalTier::by_ttl_only(ms(1)).check().unwrap();
    }

    #[test]
    fn a_cap_shortens_what_goes_by_ttl_only_and_never_lengthens_it() {
        assert_eq!(LocalTier::by_ttl_only(ms(50)).max_ttl(ms(900)).max_ttl_ms(), 50);
        assert_eq!(LocalTier::by_ttl_only(ms(50)).max_ttl(ms(9)).max_ttl_ms(), 9);
        assert_eq!(LocalTier::new().max_ttl_ms(), u64::MAX);
    }
}
