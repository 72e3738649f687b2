//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{ResponseFuture, layer::Shared};
use crate::macros::wraps;

/// A service whose reads are routed; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct SplitService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> SplitService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

wraps!(SplitService<S>);

impl<S, B, R> Service<Request<B>> for SplitService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let (scope, kind) = self.shared.begin(&mut request);
        let future = scope.enter(|| self.inner.call(request));
        ResponseFuture::new(future, scope, kind, self.shared.clone())
    }
}
