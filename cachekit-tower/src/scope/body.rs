//! The response body.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use cachekit_core::Scope;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A body whose frames are produced in the scope of its request.
    #[derive(Debug)]
    pub struct ScopeBody<B> {
        // `None` only while it is dropped.
        #[pin]
        inner: Option<B>,
        scope: Scope,
    }

    impl<B> PinnedDrop for ScopeBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.scope.enter(|| this.inner.set(None));
        }
    }
}

impl<B> ScopeBody<B> {
    pub(super) fn new(inner: B, scope: Scope) -> Self {
        Self { inner: Some(inner), scope }
    }
}

impl<B: Body> Body for ScopeBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let inner = this.inner.as_pin_mut().expect("it is taken out only when it is dropped");
        this.scope.enter(|| inner.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl<B: Default> Default for ScopeBody<B> {
    /// An empty body in no scope to speak of, as some servers want for their own responses.
    fn default() -> Self {
        Self::new(B::default(), Scope::new(cachekit_core::Cache::disabled()))
    }
}
