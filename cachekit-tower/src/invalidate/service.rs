//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::{ResponseFuture, layer::Shared};
use crate::{
    Body, BoxError, Kind,
    macros::wraps,
    outlive::{Begun, Outliving, Run},
    requests::{Concern, ready},
};

/// A service whose writes are invalidated; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct InvalidateService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> InvalidateService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

wraps!(InvalidateService<S>);

impl<S, B, R> Service<Request<B>> for InvalidateService<S>
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
        let begun = Begun::default();
        let run: Run<_> = match self.shared.requests.concern(kind, &request) {
            Concern::Nothing => {
                return ResponseFuture::through(self.inner.call(request.map(Body::through)));
            }
            Concern::Head => self.head(kind, request, &begun),
            Concern::Message => Box::pin(self.message(kind, request, begun.clone())),
        };
        let Shared { disconnect, terms, .. } = &*self.shared;
        ResponseFuture::guarded(Outliving::new(run, begun, *disconnect, "invalidate", &terms.cache))
    }
}

impl<S> InvalidateService<S> {
    /// The handler is called at once.
    fn head<B, R>(
        &mut self,
        kind: Kind,
        request: Request<B>,
        begun: &Begun,
    ) -> Run<Result<Response<Body<R>>, S::Error>>
    where
        S: Service<Request<Body<B>>, Response = Response<R>> + Clone,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        R: HttpBody<Data = Bytes> + Send + 'static,
    {
        let (mut parts, body) = request.into_parts();
        let (keys, all) = self.shared.requests.found(&mut parts);
        if !all && let Some(refusal) = self.shared.key_missing(kind, &parts) {
            drop(self.take_readied());
            return Box::pin(async { Ok(refusal) });
        }
        begun.set();
        let mut request = Request::from_parts(parts, Body::through(body));
        // Before the handler: a panic in it is one after a write.
        let owed = self.shared.owe(keys, &mut request);
        let answer = self.inner.call(request);
        Box::pin(owed.pay_after(kind, answer))
    }

    /// The readied service; a permit may sit in it.
    fn take_readied(&mut self) -> S
    where
        S: Clone,
    {
        let spare = self.inner.clone();
        std::mem::replace(&mut self.inner, spare)
    }

    /// The message is read first; meanwhile nobody's readiness is kept.
    fn message<B, R>(
        &mut self,
        kind: Kind,
        request: Request<B>,
        begun: Begun,
    ) -> impl Future<Output = Result<Response<Body<R>>, S::Error>> + Send + use<S, B, R>
    where
        S: Service<Request<Body<B>>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
        R: HttpBody<Data = Bytes> + Send + 'static,
    {
        let shared = self.shared.clone();
        drop(self.take_readied());
        let mut inner = self.inner.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            let (mut keys, mut all) = shared.requests.found(&mut parts);
            let (body, key) = shared.requests.read(Concern::Message, &parts, body).await;
            all &= key.is_ok();
            keys.extend(key.ok().flatten());
            if !all && let Some(refusal) = shared.key_missing(kind, &parts) {
                return Ok(refusal);
            }
            ready(&mut inner).await?;
            let mut request = Request::from_parts(parts, body);
            let owed = shared.owe(keys, &mut request);
            begun.set();
            owed.pay_after(kind, inner.call(request)).await
        }
    }
}
