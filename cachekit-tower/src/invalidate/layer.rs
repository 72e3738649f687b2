//! The layer.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_core::{Cache, Key, Outcome, Scope};
use http::{HeaderName, HeaderValue, Request, Response, response};
use http_body::Body as HttpBody;
use tower_layer::Layer;

use super::{
    InvalidateBuilder, InvalidateService, Invalidations, at_end::AtEnd, owed::Owed,
    verdict::Verdict,
};
use crate::{Body, Disconnect, Kind, observe, requests::Requests};

/// Tells, where that is asked for, that an invalidation is under way still.
pub(super) const REPORT: HeaderName = HeaderName::from_static("cachekit-invalidation");
pub(super) const PENDING: HeaderValue = HeaderValue::from_static("pending");

/// Invalidates what requests write; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct InvalidateLayer {
    shared: Arc<Shared>,
}

/// Finds keys in a response's head.
pub(super) type FromResponse = dyn Fn(&response::Parts) -> Vec<Key> + Send + Sync;

pub(super) struct Shared {
    pub(super) cache: Cache,
    pub(super) requests: Requests,
    pub(super) from_response: Vec<Arc<FromResponse>>,
    pub(super) again_after: Option<Duration>,
    pub(super) report: bool,
    pub(super) disconnect: Disconnect,
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
    pub(super) fn owe<B>(self: &Arc<Self>, keys: Vec<Key>, request: &mut Request<B>) -> Owed {
        let invalidations = Invalidations::new(&self.cache);
        request.extensions_mut().insert(invalidations.clone());
        Owed::new(self.clone(), keys, invalidations)
    }

    pub(super) async fn invalidate(&self, keys: Vec<Key>) -> Outcome {
        if keys.is_empty() {
            return Outcome::Applied;
        }
        let outcomes = self.cache.invalidate_many(keys).await;
        let pending = outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Pending);
        if pending { Outcome::Pending } else { Outcome::Applied }
    }

    /// What goes out, and when, of what the handler gave.
    pub(super) async fn finish<R, E>(
        &self,
        kind: Kind,
        mut owed: Owed,
        result: Result<Response<R>, E>,
    ) -> Result<Response<Body<R>>, E>
    where
        R: HttpBody<Data = Bytes>,
    {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                owed.settle().await;
                return Err(error);
            }
        };
        let (mut head, body) = response.into_parts();
        owed.add_response(&head);
        let body = match Verdict::of_head(kind, &head) {
            Verdict::Keep => {
                owed.disarm();
                Body::through(body)
            }
            Verdict::AtTrailers if !body.is_end_stream() => {
                // A session's token goes out with the head, and names what was invalidated by then.
                if Scope::current().is_some() {
                    owed.invalidate().await;
                }
                at_end(kind, owed, body)
            }
            // What it streams may write as well.
            Verdict::Invalidate if is_streamed(&body) => {
                let outcome = owed.invalidate().await;
                self.report(outcome, &mut head);
                at_end(kind, owed, body)
            }
            Verdict::Invalidate | Verdict::AtTrailers => {
                let outcome = owed.settle().await;
                self.report(outcome, &mut head);
                Body::through(body)
            }
        };
        Ok(Response::from_parts(head, body))
    }

    fn report(&self, outcome: Outcome, head: &mut response::Parts) {
        if self.report && outcome == Outcome::Pending {
            head.headers.insert(REPORT, PENDING);
        }
    }

    /// A piece of a key is missing: the request runs, and what it writes may stay in the cache.
    pub(super) fn key_missing(&self) {
        observe::invalidated("key_missing");
        tracing::error!(
            "a request that writes lacks a piece of a key to invalidate, or has it twice; what it \
             writes may not be seen until the old entry expires"
        );
    }
}

fn at_end<R: HttpBody<Data = Bytes>>(kind: Kind, owed: Owed, body: R) -> Body<R> {
    Body::through(body).with_extra(Box::new(AtEnd::new(kind, owed)))
}

fn is_streamed<R: HttpBody>(body: &R) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none()
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidateLayer")
            .field("requests", &self.requests)
            .field("again_after", &self.again_after)
            .field("disconnect", &self.disconnect)
            .finish_non_exhaustive()
    }
}
