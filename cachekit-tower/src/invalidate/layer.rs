//! The layer.

use std::{fmt, sync::Arc};

use cachekit_core::{Cache, Key};
use http::{Request, Response, request::Parts};
use tower_layer::Layer;

use super::{InvalidateBuilder, InvalidateService, OnKeyMissing};
use crate::{
    Body, Disconnect, Kind, Rejection, observe,
    reject::Rejecter,
    requests::Requests,
    writes::{Owed, Terms},
};

/// Invalidates what requests write; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct InvalidateLayer {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) terms: Arc<Terms>,
    pub(super) requests: Requests,
    pub(super) disconnect: Disconnect,
    pub(super) on_key_missing: OnKeyMissing,
    pub(super) rejecter: Rejecter,
}

impl InvalidateLayer {
    /// Starts building a layer over this cache.
    pub fn builder(cache: &Cache) -> InvalidateBuilder {
        InvalidateBuilder::new(cache)
    }

    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl<S> Layer<S> for InvalidateLayer {
    type Service = InvalidateService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InvalidateService::new(inner, self.shared.clone())
    }
}

impl Shared {
    /// What a request with these keys owes; the handler may add to it.
    pub(super) fn owe<B>(&self, keys: Vec<Key>, request: &mut Request<B>) -> Owed {
        let owed = Owed::new(self.terms.clone(), keys);
        request.extensions_mut().insert(owed.named().clone());
        owed
    }

    /// A piece of a key is missing: the request is refused, or it runs and what it writes may not be seen.
    pub(super) fn key_missing<R>(&self, kind: Kind, parts: &Parts) -> Option<Response<Body<R>>> {
        observe::invalidated("key_missing");
        match self.on_key_missing {
            OnKeyMissing::Reject => {
                tracing::debug!(
                    "a request that writes was refused for want of a key to invalidate"
                );
                Some(self.rejecter.response_of(kind, &Rejection::KeyMissing, parts))
            }
            OnKeyMissing::Proceed => {
                tracing::error!(
                    "a request that writes lacks a piece of a key to invalidate, or has it twice; what it \
                     writes may not be seen until the old entry expires"
                );
                None
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidateLayer")
            .field("requests", &self.requests)
            .field("terms", &self.terms)
            .field("disconnect", &self.disconnect)
            .finish_non_exhaustive()
    }
}
