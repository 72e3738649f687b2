//! The service.

use std::{
    marker::PhantomData,
    task::{Context, Poll},
};

use cachekit_core::{Cache, Scope};
use http::{Request, Response};
use tower_service::Service;

use super::{
    body::ScopeBody,
    future::{HttpResponseFuture, ResponseFuture},
    layer::{AnyRequest, Http},
};
use crate::macros::wraps;

/// A service in whose requests a cache is bound; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct ScopeService<S, K = Http> {
    inner: S,
    cache: Cache,
    kind: PhantomData<fn() -> K>,
}

impl<S, K> ScopeService<S, K> {
    pub(super) fn new(inner: S, cache: Cache) -> Self {
        Self { inner, cache, kind: PhantomData }
    }
}

wraps!(ScopeService<S, K>);

impl<S, B, R> Service<Request<B>> for ScopeService<S, Http>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ScopeBody<R>>;
    type Error = S::Error;
    type Future = HttpResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let scope = Scope::new(self.cache.clone());
        request.extensions_mut().insert(scope.clone());
        let future = scope.enter(|| self.inner.call(request));
        HttpResponseFuture::new(ResponseFuture::new(future, scope))
    }
}

impl<S, Q> Service<Q> for ScopeService<S, AnyRequest>
where
    S: Service<Q>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let scope = Scope::new(self.cache.clone());
        let future = scope.enter(|| self.inner.call(request));
        ResponseFuture::new(future, scope)
    }
}
