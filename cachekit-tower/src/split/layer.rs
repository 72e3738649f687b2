//! The layer.

use std::{collections::HashSet, sync::Arc, time::Duration};

use cachekit_core::{Cache, Scope, SessionBounds, SessionSecrets};
use http::{HeaderMap, Request};
use tower_layer::Layer;

use super::{SplitBuilder, SplitService, Transport, transport::Brought};
use crate::{Kind, method::is_safe, observe};

/// Routes reads and carries sessions; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct SplitLayer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) cache: Cache,
    pub(super) secrets: SessionSecrets,
    pub(super) bounds: SessionBounds,
    pub(super) max_age: Duration,
    pub(super) transport: Transport,
    pub(super) reads: HashSet<String>,
}

impl SplitLayer {
    /// Starts building a layer over this cache.
    pub fn builder(cache: &Cache) -> SplitBuilder {
        SplitBuilder::new(cache)
    }

    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl<S> Layer<S> for SplitLayer {
    type Service = SplitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SplitService::new(inner, self.shared.clone())
    }
}

impl Shared {
    /// The scope that the request is to run in, told of its session.
    pub(super) fn begin<B>(&self, request: &mut Request<B>) -> (Scope, Kind) {
        let kind = Kind::of(request.headers());
        let scope = Scope::current().unwrap_or_else(|| {
            let scope = Scope::new(self.cache.clone());
            request.extensions_mut().insert(scope.clone());
            scope
        });
        scope.prefer_replicas(match kind {
            Kind::Http => is_safe(request.method()),
            Kind::Grpc => self.reads.contains(request.uri().path()),
        });
        self.receive(kind, request.headers_mut(), &scope);
        (scope, kind)
    }

    fn receive(&self, kind: Kind, headers: &mut HeaderMap, scope: &Scope) {
        let read = match self.transport.take(kind, headers) {
            Brought::Nothing => return,
            Brought::Garbage => return observe::session("malformed"),
            Brought::Token(token) => self.secrets.read(&token),
        };
        match read {
            Ok(session) => {
                observe::session("read");
                scope.pin(session);
            }
            Err(refused) => observe::session(refused.as_str()),
        }
    }

    /// Tells the client what was written, if anything was.
    pub(super) fn finish(&self, scope: &Scope, kind: Kind, headers: &mut HeaderMap) {
        if let Some(token) = self.secrets.issue(scope, self.bounds) {
            observe::session("issued");
            self.transport.put(kind, headers, &token, self.max_age);
        }
    }
}
