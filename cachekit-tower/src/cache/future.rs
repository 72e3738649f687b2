//! The response future.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;

use super::{cache_status::CacheStatus, request::Passed, settings::Shared};
use crate::{Body, Kind};

pub(super) type Going<R, E> = Pin<Box<dyn Future<Output = Result<Response<Body<R>>, E>> + Send>>;

pin_project! {
    /// The future of a response that may come from the cache.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way it harms no other: a run that others wait for goes on, and so does a write.
    #[must_use = "futures do nothing unless awaited"]
    pub struct ResponseFuture<F, R, E> {
        #[pin]
        state: State<F, R, E>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, R, E> {
        Passing { #[pin] calling: F, shared: Arc<Shared>, passed: Passed },
        Going { going: Going<R, E> },
    }
}

impl<F, R, E> ResponseFuture<F, R, E> {
    pub(super) fn passing(calling: F, shared: Arc<Shared>, passed: Passed) -> Self {
        Self { state: State::Passing { calling, shared, passed } }
    }

    pub(super) fn going(going: Going<R, E>) -> Self {
        Self { state: State::Going { going } }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<Body<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Going { going } => going.as_mut().poll(cx),
            StateProjection::Passing { calling, shared, passed } => {
                let response = ready!(calling.poll(cx))?;
                let mut response = response.map(Body::through);
                if passed.kind == Kind::Http {
                    let status = CacheStatus::passed(passed.why, passed.detail());
                    shared.settings.tell(&mut response, status, None);
                }
                Poll::Ready(Ok(response))
            }
        }
    }
}

impl<F, R, E> fmt::Debug for ResponseFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
