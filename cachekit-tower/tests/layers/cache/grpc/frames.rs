//! Calls frame by frame.

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
use cachekit_tower::BoxError;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use tokio::sync::mpsc;
use tower::{Layer as _, ServiceExt as _};

use super::{GET_USER, GetUser, users};
use crate::replies::{Reply, Script, Site, cache, front, reply, send, user};

fn frame(message: &[u8]) -> Bytes {
    let mut frame = vec![0];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame.into()
}

fn call_of(path: &str, id: &str, lines: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let request =
        Request::post(format!("http://h.com{path}")).header("content-type", "application/grpc");
    let request =
        lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let message = GetUser { id: id.to_owned() }.encode_to_vec();
    request.body(Full::new(frame(&message))).unwrap()
}

fn trailers(code: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    trailers.append("x-trailer", HeaderValue::from_static("1"));
    trailers.append("x-trailer", HeaderValue::from_static("2"));
    trailers
}

/// One message and its status.
fn one(text: &str) -> Response<Script> {
    let mut response = Response::new(Script::text(frame(text.as_bytes())));
    response.body_mut().0.push_back(Ok(Frame::trailers(trailers("0"))));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.append("x-initial", HeaderValue::from_static("a"));
    headers.append("x-initial", HeaderValue::from_static("b"));
    response
}

/// A status alone.
fn only(code: &'static str) -> Response<Script> {
    let mut response = Response::new(Script::default());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(code));
    response
}

fn numbered() -> Site {
    let number = Arc::new(AtomicUsize::new(0));
    Site::new(move |_| {
        let number = number.fetch_add(1, SeqCst);
        async move { one(&number.to_string()) }
    })
}

#[tokio::test]
async fn grpc_hit_equals_miss() {
    let site = numbered();
    let front = front(users(&cache()), &site);
    let ask = || call_of(GET_USER, "7", &[("grpc-timeout", "1S"), ("x-unkeyed", "evil")]);
    let miss = send(&front, ask()).await;
    let hit = send(&front, ask()).await;
    assert_eq!((site.calls(), &hit), (1, &miss));
    let bare = reply(one("0")).await;
    assert_eq!(miss, bare, "as without the layer: nothing is added");
    let seen = site.seen.lock().unwrap().pop().unwrap();
    for hidden in ["grpc-timeout", "x-unkeyed"] {
        assert!(!seen.headers.contains_key(hidden), "{hidden}");
    }
    assert_eq!(send(&front, call_of(GET_USER, "8", &[])).await.body, frame(b"1"));
    assert_eq!(
        send(&front, call_of(GET_USER, "7", &[("authorization", "a")])).await.body,
        frame(b"2")
    );
}

#[tokio::test]
async fn grpc_writers_reach_responses() {
    let cache = cache();
    let site = numbered();
    let front = front(users(&cache), &site);
    for (number, path) in [("0", "7"), ("1", "8"), ("0", "7")] {
        assert_eq!(send(&front, call_of(GET_USER, path, &[])).await.body, frame(number.as_bytes()));
    }
    cache.invalidate(user("7")).await;
    assert_eq!(send(&front, call_of(GET_USER, "7", &[])).await.body, frame(b"2"));
    assert_eq!(send(&front, call_of(GET_USER, "8", &[])).await.body, frame(b"1"));
}

/// How often the handler runs for two calls that it answers so, and what both are given.
async fn twice(answer: fn() -> Response<Script>) -> (usize, Reply) {
    let site = Site::new(move |_| async move { answer() });
    let front = front(users(&cache()), &site);
    let first = send(&front, call_of(GET_USER, "7", &[])).await;
    let second = send(&front, call_of(GET_USER, "7", &[])).await;
    assert_eq!(first, second);
    assert_eq!(first, reply(answer()).await, "passed on as received");
    (site.calls(), first)
}

#[tokio::test]
async fn grpc_not_found_is_negative() {
    assert_eq!(twice(|| only("5")).await.0, 1);
    let in_trailers = || {
        let mut response = one("");
        response.body_mut().0.clear();
        response.body_mut().0.push_back(Ok(Frame::trailers(trailers("5"))));
        response
    };
    assert_eq!(twice(in_trailers).await.0, 1);
    for code in ["2", "3", "7", "13", "14", "16"] {
        let answers = match code {
            "2" => twice(|| only("2")).await,
            "3" => twice(|| only("3")).await,
            "7" => twice(|| only("7")).await,
            "13" => twice(|| only("13")).await,
            "14" => twice(|| only("14")).await,
            _ => twice(|| only("16")).await,
        };
        assert_eq!(answers.0, 2, "{code} is not stored");
    }
    let without_status = || {
        let mut response = one("x");
        response.body_mut().0.pop_back();
        response
    };
    assert_eq!(twice(without_status).await.0, 2);
    let two_messages = || {
        let mut response = one("x");
        response.body_mut().0.push_front(Ok(Frame::data(frame(b"y"))));
        response
    };
    assert_eq!(twice(two_messages).await.0, 2);
    assert_eq!(twice(|| only("0")).await.0, 2, "OK without a message");
}

/// A body that gives what it is sent.
struct Wire(mpsc::UnboundedReceiver<Bytes>);

fn wire() -> (mpsc::UnboundedSender<Bytes>, Wire) {
    let (send, receive) = mpsc::unbounded_channel();
    (send, Wire(receive))
}

impl http_body::Body for Wire {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

#[tokio::test]
async fn grpc_unlisted_bidi_untouched() {
    let echo = tower::service_fn(async |request: Request<cachekit_tower::Body<Wire>>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let service = users(&cache()).build().unwrap().layer(echo);
    let (out, body) = wire();
    let request =
        Request::post("http://h.com/shop.Users/Chat").header("content-type", "application/grpc");
    let response = service.oneshot(request.body(body).unwrap()).await.unwrap();
    let mut back = response.into_body();
    for number in 0..5 {
        out.send(frame(&[number])).unwrap();
        let echoed = back.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(echoed, frame(&[number]));
    }
    drop(out);
    assert!(back.frame().await.is_none());
}

#[tokio::test]
async fn grpc_server_stream_listed_by_mistake_still_streams() {
    let (out, body) = wire();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let stream = tower::service_fn(move |_: Request<cachekit_tower::Body<Full<Bytes>>>| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let service = users(&cache()).build().unwrap().layer(stream);
    let asking = tokio::spawn(service.oneshot(call_of(GET_USER, "7", &[])));
    out.send(frame(b"a")).unwrap();
    out.send(frame(b"b")).unwrap();
    // The stream is open, and its beginning is there.
    let mut back = asking.await.unwrap().unwrap().into_body();
    for expected in [b"a", b"b", b"c"] {
        if expected == b"c" {
            out.send(frame(b"c")).unwrap();
        }
        let data = back.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(data, frame(expected));
    }
    drop(out);
    assert!(back.frame().await.is_none());
}

#[tokio::test]
async fn grpc_what_is_no_unary_call_passes_by() {
    let site = numbered();
    let front = front(users(&cache()).max_request(64), &site);
    let with_body = |body: Vec<u8>| {
        let request = Request::post("http://h.com/shop.Users/GetUser");
        request.header("content-type", "application/grpc").body(Full::from(body)).unwrap()
    };
    let message = GetUser { id: "7".to_owned() }.encode_to_vec();
    let whole = frame(&message).to_vec();
    let mut compressed = whole.clone();
    compressed[0] = 1;
    let odd = [
        Vec::new(),
        whole[..6].to_vec(),
        [&whole[..], &whole[..]].concat(),
        compressed,
        vec![0; 100],
    ];
    for (calls, body) in odd.iter().enumerate() {
        let reply = send(&front, with_body(body.clone())).await;
        assert_eq!(reply.body, frame(calls.to_string().as_bytes()), "{body:?}");
    }
    assert_eq!(send(&front, call_of("/shop.Users/Other", "7", &[])).await.body, frame(b"5"));
    send(&front, with_body(whole.clone())).await;
    assert_eq!(send(&front, with_body(whole)).await.body, frame(b"6"));
}

#[tokio::test]
async fn grpc_compression_variants() {
    let site = numbered();
    let front = front(users(&cache()), &site);
    let ask = |accepts: &'static str| call_of(GET_USER, "7", &[("grpc-accept-encoding", accepts)]);
    assert_eq!(send(&front, ask("gzip, identity")).await.body, frame(b"0"));
    assert_eq!(send(&front, ask("identity,gzip")).await.body, frame(b"0"), "the same set");
    assert_eq!(send(&front, ask("identity")).await.body, frame(b"1"));
    assert_eq!(send(&front, call_of(GET_USER, "7", &[])).await.body, frame(b"2"));
    assert_eq!(
        send(&front, ask("gzip,identity,snappy")).await.body,
        frame(b"0"),
        "unknown ones are hidden"
    );
    let coded = call_of(GET_USER, "7", &[("content-encoding", "gzip")]);
    assert_eq!(send(&front, coded).await.body, frame(b"3"), "what the handler sees tells apart");
    let seen = site.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.headers["grpc-accept-encoding"], "gzip,identity");
}
