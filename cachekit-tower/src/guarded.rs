//! The response future of layers that see a handler to its end.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use pin_project_lite::pin_project;

use crate::{Body, outlive::Outliving};

pin_project! {
    /// A response whose handler may go on when its client has gone away, as
    /// [`Disconnect`](crate::Disconnect) says; or one that the layer passes on.
    pub struct ResponseFuture<F, R: 'static, E: 'static> {
        #[pin]
        state: State<F, R, E>,
    }
}

pin_project! {
    #[project = Project]
    enum State<F, R: 'static, E: 'static> {
        Through { #[pin] future: F },
        Guarded { future: Outliving<Result<Response<Body<R>>, E>> },
    }
}

impl<F, R, E> ResponseFuture<F, R, E> {
    pub(crate) fn through(future: F) -> Self {
        Self { state: State::Through { future } }
    }

    pub(crate) fn guarded(future: Outliving<Result<Response<Body<R>>, E>>) -> Self {
        Self { state: State::Guarded { future } }
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
            Project::Guarded { future } => Pin::new(future).poll(cx),
        }
    }
}

impl<F, R, E> fmt::Debug for ResponseFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Through { .. } => "ResponseFuture(Through)",
            State::Guarded { .. } => "ResponseFuture(Guarded)",
        })
    }
}
