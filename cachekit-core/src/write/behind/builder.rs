//! Setting a write-behind up.

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::Write;
use super::flush::Flush;
use super::flusher::Flusher;
use super::handle::WriteBehind;
use crate::cache::Cache;
use crate::events::{Fault, Stop};
use crate::redis::{Kind, Owner, RedisOptions, Wire, stream_key};
use crate::retry::RetryPolicy;
use crate::{Error, ErrorKind};

/// The shortest lease: it is kept up every third of it.
const LEAST_LEASE: Duration = Duration::from_millis(300);

/// Sets a [`WriteBehind`] up.
#[derive(Clone, Debug)]
#[must_use = "call `start`"]
pub struct WriteBehindBuilder {
    name: String,
    namespace: String,
    options: RedisOptions,
    pub(super) cache: Option<Cache>,
    pub(super) batch: usize,
    pub(super) every: Duration,
    pub(super) lease: Duration,
    pub(super) limit: u64,
    pub(super) policy: RetryPolicy,
    pub(super) shutdown_timeout: Duration,
}

impl WriteBehindBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            namespace: String::new(),
            options: RedisOptions::new(),
            cache: None,
            batch: 500,
            every: Duration::from_millis(100),
            lease: Duration::from_secs(10),
            limit: 100_000,
            policy: RetryPolicy::new(),
            shutdown_timeout: Duration::from_secs(30),
        }
    }

    /// Keeps this name apart from the same one of other services. Needed.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Time-outs and certificates of the connection.
    pub fn redis_options(mut self, options: RedisOptions) -> Self {
        self.options = options;
        self
    }

    /// The cache in which each key is invalidated once its value was written.
    pub fn cache(mut self, cache: &Cache) -> Self {
        self.cache = Some(cache.clone());
        self
    }

    /// How many accepted values are looked at together (default 500, at least 1). Of several for one key the last one is
    /// written. Processes with the same name give the same number: a successor that looked at fewer could write a value
    /// that was overtaken, until the newer one follows.
    pub fn batch(mut self, values: usize) -> Self {
        self.batch = values.max(1);
        self
    }

    /// How often values are written while there are few (default 100 ms). The longer, the more coalesce.
    pub fn every(mut self, pause: Duration) -> Self {
        self.every = pause;
        self
    }

    /// How long the role of the writer outlives its process (default 10 s, at least 300 ms). A flush that cannot keep
    /// it up, since Redis is away, is dropped in mid-way.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How many accepted values may wait (default 100 000); beyond that none is accepted.
    pub fn limit(mut self, values: u64) -> Self {
        self.limit = values;
        self
    }

    /// How often one value that fails for good is tried before it is a dead letter (default 5 times within 30 s).
    /// Errors that are [`Transient`](crate::retry::Transient) do not count.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How long [`WriteBehind::shutdown`] goes on writing (default 30 s).
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown_timeout = limit;
        self
    }

    /// Connects to `url` and writes what is accepted, here or in another process with the same name, by calling `flush`:
    /// at least once for each value that is not overtaken by a newer one, in order for each key.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for what will not mend itself. A server that is away is no error.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way nothing stays behind.
    pub async fn start<T, E, F, Fut>(self, url: &str, flush: F) -> Result<WriteBehind<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        E: Into<Fault> + 'static,
        F: Fn(Vec<Write<T>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        if self.lease < LEAST_LEASE {
            let message = format!("`lease` is {:?}; give at least {LEAST_LEASE:?}", self.lease);
            return Err(Error::new(ErrorKind::Config, "start write-behind", message));
        }
        let key = stream_key(&self.namespace, Kind::Writes, &self.name)?;
        let wire = Wire::connect(url, &self.options, Duration::ZERO).await?;
        let stream = wire.stream(key);
        let wake = Arc::new(Notify::new());
        let (stop, asked) = watch::channel(false);
        let flusher = Flusher {
            owner: Owner::new(&stream, &Uuid::now_v7().to_string()),
            dead: stream.below("dead"),
            stream: stream.clone(),
            flush: Flush::new(flush),
            wake: Arc::clone(&wake),
            setup: self.clone(),
        };
        let task = tokio::spawn(flusher.run(Stop(asked)));
        Ok(WriteBehind::new(self, stream, wire, wake, stop, task))
    }
}
