//! How the link to Redis behaves: time-outs, leases, trusted certificates.

use std::time::Duration;

use crate::{Error, ErrorKind};

/// Settings of the link to Redis; the defaults suit a Redis in the same data centre.
///
/// ```
/// use std::time::Duration;
/// use cachekit_core::RedisOptions;
///
/// let options = RedisOptions::new()
///     .response_timeout(Duration::from_millis(100))
///     .lease_ttl(Duration::from_secs(5));
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct RedisOptions {
    pub(super) response_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(crate) lease_ttl: Duration,
    pub(super) load_timeout: Duration,
    #[cfg(feature = "redis-tls")]
    pub(super) root_certificates: Vec<Vec<u8>>,
}

impl RedisOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> RedisOptions {
        RedisOptions::default()
    }

    /// How long Redis may leave a command unanswered before every command in flight fails and reads go
    /// to the database (default 250 ms, at least 20 ms). A stall is noticed up to 50 ms later.
    #[must_use]
    pub fn response_timeout(mut self, limit: Duration) -> RedisOptions {
        self.response_timeout = limit;
        self
    }

    /// How long one attempt to connect may take, TLS and log-in included (default 1 s, at least 20 ms).
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> RedisOptions {
        self.connect_timeout = limit;
        self
    }

    /// How long the lease of a process that died keeps others from loading (default 3 s, at least 300 ms).
    /// While its holder lives a lease is extended every third of this.
    #[must_use]
    pub fn lease_ttl(mut self, ttl: Duration) -> RedisOptions {
        self.lease_ttl = ttl;
        self
    }

    /// How long the lease of one load is extended at most (default 30 s, at least the lease's time to live).
    #[must_use]
    pub(crate) fn load_timeout(mut self, limit: Duration) -> RedisOptions {
        self.load_timeout = limit;
        self
    }

    /// Trusts the certificates in `pem` as well as the public authorities: for a Redis behind a private one.
    /// May be called more than once.
    #[cfg(feature = "redis-tls")]
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> RedisOptions {
        self.root_certificates.push(pem.into());
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        at_least("response_timeout", self.response_timeout, Duration::from_millis(20))?;
        at_least("connect_timeout", self.connect_timeout, Duration::from_millis(20))?;
        at_least("lease_ttl", self.lease_ttl, Duration::from_millis(300))?;
        at_least("load_timeout", self.load_timeout, self.lease_ttl)
    }
}

impl Default for RedisOptions {
    fn default() -> RedisOptions {
        RedisOptions {
            response_timeout: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(1),
            lease_ttl: Duration::from_secs(3),
            load_timeout: Duration::from_secs(30),
            #[cfg(feature = "redis-tls")]
            root_certificates: Vec::new(),
        }
    }
}

fn at_least(name: &str, given: Duration, least: Duration) -> Result<(), Error> {
    if given >= least {
        return Ok(());
    }
    let message = format!("`{name}` is {given:?}; give at least {least:?}");
    Err(Error::new(ErrorKind::Config, super::CONNECT, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_short_is_named_with_its_least_value() {
        let error = RedisOptions::new().lease_ttl(Duration::from_millis(299)).check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.to_string(),
            "connect to redis: `lease_ttl` is 299ms; give at least 300ms"
        );
        let error = RedisOptions::new().load_timeout(Duration::from_secs(1)).check().unwrap_err();
        assert!(error.message().starts_with("`load_timeout` is 1s"), "{error}");
        RedisOptions::new().check().unwrap();
    }
}
