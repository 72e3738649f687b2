//! What the tests of the layers share: services that watch how they are called, and requests.

#![allow(dead_code, unreachable_pub, missing_debug_implementations)]

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt as _, Full};
use tower::Service;

/// Bodies of the tests' requests and responses.
pub type Whole = Full<Bytes>;

type Answer = Pin<Box<dyn Future<Output = Result<Response<Whole>, Infallible>> + Send>>;

/// How often a [`Probe`] and its clones were readied, called, and dropped with their readiness unused.
#[derive(Debug, Default)]
pub struct Counts {
    pub readied: AtomicUsize,
    pub called: AtomicUsize,
    pub dropped: AtomicUsize,
}

impl Counts {
    /// Readied, called, dropped unused.
    pub fn now(&self) -> (usize, usize, usize) {
        let Self { readied, called, dropped } = self;
        (readied.load(SeqCst), called.load(SeqCst), dropped.load(SeqCst))
    }
}

/// A service that panics when it is called without having been readied, and counts. Its clone is not ready.
pub struct Probe<H> {
    handler: H,
    is_ready: bool,
    pub counts: Arc<Counts>,
}

/// A probe around an asynchronous function of requests.
pub fn probe<H>(handler: H) -> Probe<H> {
    Probe { handler, is_ready: false, counts: Arc::default() }
}

impl<H: Clone> Clone for Probe<H> {
    fn clone(&self) -> Self {
        Self { handler: self.handler.clone(), is_ready: false, counts: self.counts.clone() }
    }
}

impl<H> Drop for Probe<H> {
    fn drop(&mut self) {
        if self.is_ready {
            self.counts.dropped.fetch_add(1, SeqCst);
        }
    }
}

impl<B, H, F> Service<Request<B>> for Probe<H>
where
    H: FnMut(Request<B>) -> F,
    F: Future<Output = Response<Whole>> + Send + 'static,
{
    type Response = Response<Whole>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.counts.readied.fetch_add(1, SeqCst);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        assert!(std::mem::take(&mut self.is_ready), "called without having been readied");
        self.counts.called.fetch_add(1, SeqCst);
        let answer = (self.handler)(request);
        Box::pin(async { Ok(answer.await) })
    }
}

/// A `GET` without a body, for one host.
pub fn get(path: &str) -> Request<Whole> {
    Request::get(path).header("host", "h").body(Full::default()).unwrap()
}

/// A response with this text.
pub fn text(text: impl Into<Bytes>) -> Response<Whole> {
    Response::new(Full::new(text.into()))
}

/// What a response's body holds.
pub async fn body<B>(response: Response<B>) -> Bytes
where
    B: HttpBody<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    response.into_body().collect().await.unwrap().to_bytes()
}

/// Polls a future once, with a waker that does nothing.
pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}

/// Lets every other task of this thread go on until it waits.
pub async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}
