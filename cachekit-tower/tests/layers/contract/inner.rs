//! The service inside, which watches how it is called.

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
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tower::Service;

use crate::kit::{Counts, Whole};

/// Answers with what it was asked, or with an error. It panics when it is called without having been readied.
pub(crate) struct Inner<E = Infallible> {
    fail: Option<fn() -> E>,
    is_ready: bool,
    pub(crate) counts: Arc<Counts>,
    pub(crate) running: Arc<AtomicUsize>,
}

impl<E> Inner<E> {
    pub(crate) fn new() -> Self {
        Self { fail: None, is_ready: false, counts: Arc::default(), running: Arc::default() }
    }

    pub(crate) fn failing(fail: fn() -> E) -> Self {
        let mut inner = Self::new();
        inner.fail = Some(fail);
        inner
    }
}

impl<E> Clone for Inner<E> {
    fn clone(&self) -> Self {
        let (counts, running) = (self.counts.clone(), self.running.clone());
        Self { fail: self.fail, is_ready: false, counts, running }
    }
}

impl<E> Drop for Inner<E> {
    fn drop(&mut self) {
        if self.is_ready {
            self.counts.dropped.fetch_add(1, SeqCst);
        }
    }
}

impl<B, E> Service<Request<B>> for Inner<E>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug,
    E: Send + 'static,
{
    type Response = Response<Whole>;
    type Error = E;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Whole>, E>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.counts.readied.fetch_add(1, SeqCst);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without having been readied");
        self.counts.called.fetch_add(1, SeqCst);
        self.running.fetch_add(1, SeqCst);
        let fail = self.fail;
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            match fail {
                Some(fail) => Err(fail()),
                None => Ok(echo(&parts.method, parts.uri.path(), &body)),
            }
        })
    }
}

fn echo(method: &Method, path: &str, body: &Bytes) -> Response<Whole> {
    let text = format!("{method} {path} {body:?}");
    let response = Response::builder().header("x-own", "1").header("x-own", "2");
    // As servers add them where nobody else did.
    let response = response.header("content-length", text.len());
    let response = response.header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    response.body(Full::new(text.into())).unwrap()
}
