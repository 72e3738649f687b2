//! What a builder knows of Redis.

use std::{sync::Arc, time::Duration};

use super::{CacheBuilder, Copies, Limits, LocalTier, builder::Plan, follower::Follower};
use crate::{
    clock::Clock,
    codec::Format,
    error::{Error, ErrorKind},
    redis::{RedisOptions, RedisStore, Tracking},
    store::{Redis, Store, Trend},
    tier::{Bound, Coherence},
};

/// How values get to Redis, and under what namespace.
#[derive(Debug, Default)]
pub(super) struct Remote {
    namespace: Option<String>,
    options: RedisOptions,
    format: Format,
    #[cfg(feature = "compress")]
    compress_above: Option<usize>,
    lease_ttl: Option<Duration>,
    local: Option<LocalTier>,
    /// Who applies what is told of copies.
    follower: Option<Arc<Follower>>,
    /// Something was said after the connection was made.
    late: Option<&'static str>,
}

impl CacheBuilder {
    /// Keeps this cache's keys apart from others on the same Redis: they begin with
    /// `ck:<namespace>:`. Processes that share entries name the same one. Needed before
    /// [`redis`](Self::redis); it must not contain `:`, `.`, `{` or `}`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.note_late("namespace");
        self.remote.namespace = Some(namespace.into());
        self
    }

    /// Time-outs and certificates of the connection. Say it before [`redis`](Self::redis).
    pub fn redis_options(mut self, options: RedisOptions) -> Self {
        self.note_late("redis_options");
        self.remote.options = options;
        self
    }

    /// How values are written in Redis; MessagePack with named fields by default.
    pub fn format(mut self, format: Format) -> Self {
        self.note_late("format");
        self.remote.format = format;
        self
    }

    /// Compresses values in Redis from this many bytes on; 4096 by default.
    #[cfg(feature = "compress")]
    pub fn compress_above(mut self, bytes: usize) -> Self {
        self.note_late("compress_above");
        self.remote.compress_above = Some(bytes);
        self
    }

    /// Keeps copies in this process of what is in Redis, so that hits need no round trip; see [`LocalTier`] for what
    /// that costs in freshness. Say it before [`redis`](Self::redis), which refuses a server that cannot tell of
    /// invalidations.
    ///
    /// Without Redis the in-process tier is all there is, and this is refused by [`build`](Self::build).
    pub fn local(mut self, local: LocalTier) -> Self {
        self.note_late("local");
        self.remote.local = Some(local);
        self
    }

    /// Shares the cache with every process that uses this Redis and the same namespace.
    ///
    /// The URL is `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS (feature
    /// `redis-tls`), `unix:///path`. A server that is away is no error: reads go to the database
    /// until it is back, and the connection is retried for ever.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for what will not mend itself: a URL that is none, a missing
    /// namespace, a wrong password, a server before 7.0, one without `CLIENT TRACKING` where
    /// [`local`](Self::local) needs it. Messages hold no password.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way nothing stays behind.
    pub async fn redis(mut self, url: &str) -> Result<Self, Error> {
        let Some(namespace) = self.remote.namespace.clone() else {
            let advice = "it needs a namespace: call `namespace(\"…\")` before `redis(..)`";
            return Err(Error::new(ErrorKind::Config, "connect to redis", advice));
        };
        let options = self.remote.options.clone().load_timeout(self.limits.load_timeout);
        self.remote.lease_ttl = Some(options.lease_ttl);
        let tracking = self.remote.tracking(&namespace, self.clock.as_ref())?;
        let store = RedisStore::connect_tracking(url, &namespace, options, tracking).await?;
        self.store = Store::Redis(Redis {
            store,
            format: self.remote.format,
            trend: Trend::default(),
            #[cfg(feature = "compress")]
            compress_above: self.remote.compress_above.unwrap_or(4096),
        });
        Ok(self)
    }

    pub(super) fn note_late(&mut self, what: &'static str) {
        if matches!(self.store, Store::Redis(_)) {
            self.remote.late.get_or_insert(what);
        }
    }
}

impl Remote {
    /// How changes are to be tracked, if they are.
    fn tracking(
        &mut self,
        namespace: &str,
        clock: Option<&Clock>,
    ) -> Result<Option<Tracking>, Error> {
        let Some(local) = &self.local else { return Ok(None) };
        local.check()?;
        let Some((staleness, heartbeat)) = local.tracking() else { return Ok(None) };
        let staleness_ms = staleness.as_millis().try_into().unwrap_or(u64::MAX);
        let clock = clock.cloned().unwrap_or_else(Clock::boot);
        let coherence = Arc::new(Coherence::new(staleness_ms));
        let follower = Arc::new(Follower::new(coherence, clock, namespace));
        self.follower = Some(follower.clone());
        Ok(Some(Tracking { sink: follower, heartbeat }))
    }

    pub(super) fn follower(&self) -> Option<Arc<Follower>> {
        self.follower.clone()
    }

    /// What there is to be in this process; `bound` unless something else was said.
    pub(super) fn plan(&self, bound: Bound) -> Plan {
        let bound = self.local.as_ref().map(|local| local.bound().unwrap_or(bound));
        let copies = self.local.as_ref().zip(bound);
        Plan {
            bound,
            copies: copies.map(|(local, bound)| Copies::new(local.max_ttl_ms(), bound)),
            coherence: self.follower.as_ref().map(|follower| follower.coherence().clone()),
        }
    }

    /// What must hold between this and the other limits.
    pub(super) fn check(&self, limits: &Limits, store: &Store) -> Result<(), Error> {
        let refuse =
            |message: String| Err(Error::new(ErrorKind::Config, "build the cache", message));
        if self.local.is_some() && matches!(store, Store::Embedded) {
            let advice = "`local` keeps copies of what is in Redis, and there is no Redis: call `redis(..)`, or leave \
                `local` out, since a cache in one process is all in that process";
            return refuse(advice.to_owned());
        }
        if let Some(late) = self.late {
            return refuse(format!("`{late}` has no effect after `redis(..)`; call it before"));
        }
        match self.lease_ttl {
            Some(ttl) if limits.lease_wait <= ttl => refuse(format!(
                "`lease_wait` ({:?}) must exceed the lease's TTL ({ttl:?}), else a killed process \
                 costs a load in each of the others",
                limits.lease_wait
            )),
            _ => Ok(()),
        }
    }
}
