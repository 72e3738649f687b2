//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::{ResponseFuture, layer::Shared, run::Guarded};
use crate::{
    Body, BoxError,
    macros::wraps,
    outlive::{Begun, Outliving},
    requests::Concern,
};

/// A service whose handlers run under locks; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct LockService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> LockService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

wraps!(LockService<S>);

impl<S, B, R> Service<Request<B>> for LockService<S>
where
    S: Service<Request<Body<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let kind = self.shared.requests.kind(&parts);
        let request = Request::from_parts(parts, body);
        let concern = self.shared.requests.concern(kind, &request);
        if concern == Concern::Nothing {
            return ResponseFuture::through(self.inner.call(request.map(Body::through)));
        }
        // Nobody's readiness is kept while this waits.
        let service = self.inner.clone();
        drop(std::mem::replace(&mut self.inner, service.clone()));
        let (shared, begun) = (self.shared.clone(), Begun::default());
        let arrived = Instant::now();
        let guarded = Guarded { shared, service, kind, concern, arrived, begun: begun.clone() };
        let run = Box::pin(guarded.run(request));
        let Shared { disconnect, cache, .. } = &*self.shared;
        ResponseFuture::guarded(Outliving::new(run, begun, *disconnect, "lock", cache))
    }
}
