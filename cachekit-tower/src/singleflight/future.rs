//! The response future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::Body;

type Flown<R, E> = Pin<Box<dyn Future<Output = Result<Response<Body<R>>, E>> + Send>>;

pin_project! {
    /// A response on its way: the handler's own, or one that a flight brings.
    ///
    /// Dropped, it leaves the flight; others in it go on.
    pub struct ResponseFuture<F, R, E> {
        #[pin]
        inner: Inner<F, R, E>,
    }
}

pin_project! {
    #[project = Way]
    enum Inner<F, R, E> {
        Through { #[pin] future: F },
        Flown { future: Flown<R, E> },
    }
}

impl<F, R, E> ResponseFuture<F, R, E> {
    pub(super) fn through(future: F) -> Self {
        Self { inner: Inner::Through { future } }
    }

    pub(super) fn flown(
        future: impl Future<Output = Result<Response<Body<R>>, E>> + Send + 'static,
    ) -> Self {
        Self { inner: Inner::Flown { future: Box::pin(future) } }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<Body<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().inner.project() {
            Way::Through { future } => {
                future.poll(cx).map(|answer| answer.map(|response| response.map(Body::through)))
            }
            Way::Flown { future } => future.as_mut().poll(cx),
        }
    }
}

impl<F, R, E> fmt::Debug for ResponseFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
