//! The response future.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use cachekit_core::Scope;
use http::Response;
use pin_project_lite::pin_project;

use super::layer::Shared;
use crate::Kind;

pin_project! {
    /// A response that is to tell its client what was written.
    pub struct ResponseFuture<F> {
        // `None` only while it is dropped.
        #[pin]
        inner: Option<F>,
        scope: Scope,
        kind: Kind,
        shared: Arc<Shared>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.scope.enter(|| this.inner.set(None));
        }
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, scope: Scope, kind: Kind, shared: Arc<Shared>) -> Self {
        Self { inner: Some(inner), scope, kind, shared }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner.as_pin_mut().expect("it is taken out only when it is dropped");
        let mut response = ready!(this.scope.enter(|| inner.poll(cx)));
        if let Ok(response) = &mut response {
            this.shared.finish(this.scope, *this.kind, response.headers_mut());
        }
        Poll::Ready(response)
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("scope", &self.scope).finish_non_exhaustive()
    }
}
