//! What a builder knows of Redis.

use std::time::Duration;

use super::{CacheBuilder, Limits};
use crate::{
    codec::Format,
    error::{Error, ErrorKind},
    redis::{RedisOptions, RedisStore},
    store::{Redis, Store, Trend},
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

    /// Shares the cache with every process that uses this Redis and the same namespace.
    ///
    /// The URL is `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS (feature
    /// `redis-tls`), `unix:///path`. A server that is away is no error: reads go to the database
    /// until it is back, and the connection is retried for ever.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for what will not mend itself: a URL that is none, a missing
    /// namespace, a wrong password, a server before 7.0. Messages hold no password.
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
        let store = RedisStore::connect(url, &namespace, options).await?;
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
    /// What must hold between this and the other limits.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), Error> {
        let refuse =
            |message: String| Err(Error::new(ErrorKind::Config, "build the cache", message));
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
