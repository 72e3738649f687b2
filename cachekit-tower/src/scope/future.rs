//! The response futures.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use cachekit_core::Scope;
use http::Response;
use pin_project_lite::pin_project;

use super::ScopeBody;

pin_project! {
    /// A future that is polled, and dropped, in its scope.
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        // `None` only while it is dropped.
        #[pin]
        inner: Option<F>,
        scope: Scope,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // A handler that is dropped in mid-write hands its invalidations in from here.
            let mut this = this.project();
            this.scope.enter(|| this.inner.set(None));
        }
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, scope: Scope) -> Self {
        Self { inner: Some(inner), scope }
    }
}

impl<F: Future> Future for ResponseFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let inner = this.inner.as_pin_mut().expect("it is taken out only when it is dropped");
        this.scope.enter(|| inner.poll(cx))
    }
}

pin_project! {
    /// A future of a response whose body stays in the scope.
    #[derive(Debug)]
    pub struct HttpResponseFuture<F> {
        #[pin]
        inner: ResponseFuture<F>,
    }
}

impl<F> HttpResponseFuture<F> {
    pub(super) fn new(inner: ResponseFuture<F>) -> Self {
        Self { inner }
    }
}

impl<F, R, E> Future for HttpResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ScopeBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.project().inner;
        let response = ready!(inner.as_mut().poll(cx));
        let scope = inner.project().scope.clone();
        Poll::Ready(response.map(|response| response.map(|body| ScopeBody::new(body, scope))))
    }
}
