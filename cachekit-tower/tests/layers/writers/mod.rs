//! The layers that see writers to their end: invalidation, sessions, locks, filters.

mod bloom;
mod invalidate;
mod kinds;
mod lock;
mod split;

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use cachekit::key;
use cachekit_core::{Cache, Key, Peek, Policy, Ttl};
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body, Frame};

use crate::kit::{self, Whole};

const POLICY: Policy = Policy::from_parts(Ttl::from_millis(600_000, 0), None);

fn cache() -> Cache {
    Cache::builder().build().unwrap()
}

fn user(id: u64) -> Key {
    key!("user:<id>")
}

/// Reads a user; loads `version` if it is nowhere.
async fn read(cache: &Cache, id: u64, version: u64) -> u64 {
    let load = async || Ok::<_, Infallible>(version);
    cache.get_or_load(user(id), &POLICY, load).await.unwrap()
}

async fn is_cached(cache: &Cache, id: u64) -> bool {
    cache.peek::<u64>(&user(id)).await != Peek::Miss
}

fn request(method: Method, path: &str) -> Request<Whole> {
    Request::builder().method(method).uri(path).header("host", "h").body(Whole::default()).unwrap()
}

/// A unary call with this message.
fn call(path: &str, message: &[u8]) -> Request<Whole> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let frame = [&[0][..], &length, message].concat();
    let request = Request::post(path).header("content-type", "application/grpc");
    request.body(Whole::new(frame.into())).unwrap()
}

/// A body of these frames, its length known to nobody.
struct Frames(Vec<Frame<Bytes>>);

impl Frames {
    /// The answer to a unary call: a message, then trailers with this status.
    fn grpc(status: &'static str) -> Response<Self> {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static(status),
        )]);
        let message = Frame::data(Bytes::from_static(b"\0\0\0\0\0"));
        let response = Response::builder().header("content-type", "application/grpc");
        response.body(Self(vec![Frame::trailers(trailers), message])).unwrap()
    }

    fn data(pieces: &[&'static str]) -> Self {
        Self(pieces.iter().rev().map(|piece| Frame::data((*piece).into())).collect())
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
