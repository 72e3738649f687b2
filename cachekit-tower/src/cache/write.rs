//! Requests that change something: the responses of their groups are dropped before they are answered.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use cachekit_core::{Cache, Key};
use http::{Response, StatusCode};

use super::{
    cache_status::{CacheStatus, Forward},
    future::Going,
    observe::{self, Outcome},
    settings::Shared,
};
use crate::Body;

/// Sees a write to its end, whether its caller waits or not: it may have changed something already.
struct Finishing<R: Send + 'static, E: Send + 'static> {
    going: Option<Going<R, E>>,
    cache: Cache,
}

/// Waits for the handler, and then for the invalidation of `groups`.
pub(super) fn finish<F, R, E>(shared: Arc<Shared>, calling: F, groups: Vec<Key>) -> Going<R, E>
where
    F: Future<Output = Result<Response<R>, E>> + Send + 'static,
    R: Send + 'static,
    E: Send + 'static,
{
    let cache = shared.settings.cache.clone();
    let going: Going<R, E> = Box::pin(write(shared, calling, groups));
    Box::pin(Finishing { going: Some(going), cache })
}

async fn write<F, R, E>(
    shared: Arc<Shared>,
    calling: F,
    groups: Vec<Key>,
) -> Result<Response<Body<R>>, E>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    let settings = &shared.settings;
    observe::request(&settings.name, Outcome::Bypass, "method");
    let answer = caught(calling).await;
    if may_have_written(&answer) && !groups.is_empty() {
        settings.cache.invalidate_many(groups).await;
    }
    let response = answer.unwrap_or_else(|panic| resume_unwind(panic))?;
    let mut response = response.map(Body::through);
    settings.tell(&mut response, CacheStatus::passed(Forward::Method, None), None);
    Ok(response)
}

/// Whatever says that it was refused changed nothing; anything else may have.
fn may_have_written<R, E>(answer: &Result<Result<Response<R>, E>, Box<dyn Any + Send>>) -> bool {
    match answer {
        Ok(Ok(response)) => !StatusCode::is_client_error(&response.status()),
        Ok(Err(_)) | Err(_) => true,
    }
}

async fn caught<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

impl<R: Send + 'static, E: Send + 'static> Unpin for Finishing<R, E> {}

impl<R: Send + 'static, E: Send + 'static> Future for Finishing<R, E> {
    type Output = Result<Response<Body<R>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let going = self.going.as_mut().expect("polled after completion");
        let polled = going.as_mut().poll(cx);
        if polled.is_ready() {
            self.going = None;
        }
        polled
    }
}

impl<R: Send + 'static, E: Send + 'static> Drop for Finishing<R, E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Some(going) = self.going.take() {
            self.cache.track(async move { drop(going.await) });
        }
    }
}
