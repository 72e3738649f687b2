//! The response future.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::{Body, outlive::Run};

pin_project! {
    /// A response, or the answer that there is no such id.
    pub struct ResponseFuture<F, R, E> {
        #[pin]
        state: State<F, R, E>,
    }
}

pin_project! {
    #[project = Project]
    enum State<F, R, E> {
        Through { #[pin] future: F },
        Asking { future: Run<Result<Response<Body<R>>, E>> },
    }
}

impl<F, R, E> ResponseFuture<F, R, E> {
    pub(super) fn through(future: F) -> Self {
        Self { state: State::Through { future } }
    }

    pub(super) fn asking(future: Run<Result<Response<Body<R>>, E>>) -> Self {
        Self { state: State::Asking { future } }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<Body<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Project::Through { future } => {
                future.poll(cx).map_ok(|response| response.map(Body::through))
            }
            Project::Asking { future } => future.as_mut().poll(cx),
        }
    }
}

impl<F, R, E> fmt::Debug for ResponseFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Through { .. } => "ResponseFuture(Through)",
            State::Asking { .. } => "ResponseFuture(Asking)",
        })
    }
}
