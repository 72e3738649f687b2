//! Building the layer.

use std::{collections::HashSet, sync::Arc, time::Duration};

use cachekit_core::{Cache, SessionBounds, SessionSecrets};

use super::{SplitLayer, Transport, layer::Shared};
use crate::{
    BuildError,
    builder::{IntoTime, Mistakes},
};

/// Collects what a [`SplitLayer`] is to be like.
#[derive(Debug)]
#[must_use = "call `build`"]
pub struct SplitBuilder {
    cache: Cache,
    secret: Option<Vec<u8>>,
    previous: Option<Vec<u8>>,
    secrets: Option<SessionSecrets>,
    bounds: SessionBounds,
    transport: Transport,
    reads: HashSet<String>,
    mistakes: Mistakes,
}

impl SplitBuilder {
    pub(super) fn new(cache: &Cache) -> Self {
        Self {
            cache: cache.clone(),
            secret: None,
            previous: None,
            secrets: None,
            bounds: SessionBounds::of(cache),
            transport: Transport::default(),
            reads: HashSet::new(),
            mistakes: Mistakes::default(),
        }
    }

    /// The secret that signs tokens: 32 bytes or more, the same in all processes. Required, unless
    /// [`secrets`](Self::secrets) are given.
    pub fn secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secret = Some(secret.as_ref().to_vec());
        self
    }

    /// A secret whose tokens are still good; see [`SessionSecrets`] for how to change one.
    pub fn previous_secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.previous = Some(secret.as_ref().to_vec());
        self
    }

    /// The secrets, ready made.
    pub fn secrets(mut self, secrets: SessionSecrets) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// How far copies in any process may be behind; that of this cache's own local tier by default. Say it where another
    /// process is given more than this one.
    pub fn staleness(mut self, staleness: impl IntoTime) -> Self {
        if let Some(staleness) = self.mistakes.time("staleness", staleness) {
            self.bounds.staleness = staleness;
        }
        self
    }

    /// How far a replica may be behind; 60 s by default. For so long a session whose position nobody has noted reads
    /// from the primary.
    pub fn replica_lag(mut self, lag: impl IntoTime) -> Self {
        if let Some(lag) = self.mistakes.time("replica_lag", lag) {
            self.bounds.replica_lag = lag;
        }
        self
    }

    /// How tokens travel over HTTP: in a cookie by default.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// The gRPC methods that only read, by their paths, such as `/shop.Users/GetUser`.
    pub fn reads<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        for path in paths {
            let path = path.into();
            let parts = path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
            if parts.is_none_or(|(service, method)| service.is_empty() || method.is_empty()) {
                let path = path.escape_debug();
                self.mistakes.add(format!("method `{path}`: write `/package.Service/Method`"));
            } else {
                self.reads.insert(path);
            }
        }
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// All mistakes at once: no secret, or one that is too short; times and methods that are none.
    pub fn build(mut self) -> Result<SplitLayer, BuildError> {
        let secrets = self.make_secrets();
        if self.bounds.staleness > Duration::from_secs(24 * 3600) {
            self.mistakes.add("`staleness` is more than a day: tokens would outlive their use");
        }
        self.mistakes.finish("the split layer")?;
        let secrets = secrets.expect("a missing secret is a mistake");
        let max_age = SessionSecrets::max_age(self.bounds);
        Ok(SplitLayer::of(Arc::new(Shared {
            cache: self.cache,
            secrets,
            bounds: self.bounds,
            max_age,
            transport: self.transport,
            reads: self.reads,
        })))
    }

    fn make_secrets(&mut self) -> Option<SessionSecrets> {
        if let Some(secrets) = self.secrets.take() {
            return Some(secrets);
        }
        let Some(secret) = &self.secret else {
            self.mistakes.add("no `secret`: give 32 bytes or more, the same in all processes");
            return None;
        };
        let secrets = SessionSecrets::new(secret).map_err(|error| error.message().to_owned());
        let secrets = self.mistakes.check(secrets)?;
        let Some(previous) = &self.previous else { return Some(secrets) };
        let secrets = secrets.and_previous(previous).map_err(|error| error.message().to_owned());
        self.mistakes.check(secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_told_at_once() {
        let cache = Cache::disabled();
        let builder =
            SplitLayer::builder(&cache).secret("short").staleness("2x").reads(["GetUser"]);
        let error = builder.build().unwrap_err();
        assert_eq!(error.mistakes().count(), 3, "{error}");
        let error = SplitLayer::builder(&cache).build().unwrap_err();
        assert!(error.to_string().contains("no `secret`"), "{error}");
        SplitLayer::builder(&cache).secret([0; 32]).previous_secret([1; 32]).build().unwrap();
    }
}
