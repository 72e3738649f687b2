//! Calls of gRPC.

use cachekit_core::Cache;
use cachekit_tower::{KeyMissing, SingleflightLayer};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::Layer as _;

use super::{
    Desk, Wrapped, item,
    kit::{Whole, probe, settle},
    send, told,
};

fn call(message: &'static str, timeout: Option<&'static str>) -> Request<Whole> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let frame = [&[0][..], &length, message.as_bytes()].concat();
    let request = Request::post("http://h/shop.Users/GetUser")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let request = timeout.into_iter().fold(request, |r, timeout| r.header("grpc-timeout", timeout));
    request.body(Full::from(frame)).unwrap()
}

fn calls(cache: &Cache) -> SingleflightLayer {
    let key = |message: &[u8]| {
        let id = std::str::from_utf8(message).map_err(|_| KeyMissing)?;
        Ok(item(id))
    };
    SingleflightLayer::fenced(cache).method_with("/shop.Users/GetUser", key).build().unwrap()
}

fn ok(mut response: Response<Whole>) -> Response<Whole> {
    response.headers_mut().insert("grpc-status", "0".parse().unwrap());
    response
}

#[tokio::test]
async fn short_grpc_deadline_of_starter_harms_nobody() {
    let cache = Cache::builder().build().unwrap();
    let desk = Desk::new();
    let at = desk.clone();
    let service = calls(&cache).layer(probe(move |request: Request<Wrapped>| {
        assert!(!request.headers().contains_key("grpc-timeout"));
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.headers()["content-type"], "application/grpc");
        let answer = at.serve();
        async move {
            assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "\0\0\0\0\x017");
            ok(answer.await)
        }
    }));
    let hasty = send(&service, call("7", Some("10m")));
    settle().await;
    let patient = send(&service, call("7", Some("10S")));
    settle().await;
    hasty.abort();
    settle().await;
    desk.release(1);
    assert_eq!(told(patient).await, "1");
    assert_eq!(desk.calls(), 1);
}

#[tokio::test]
async fn grpc_calls_share_by_message_and_others_pass() {
    let cache = || Cache::builder().build().unwrap();
    let pairs = [
        (true, [call("7", None), call("7", Some("1S"))]),
        (false, [call("7", None), call("8", None)]),
        (
            false,
            ["/shop.Users/Other"; 2].map(|path| {
                let mut request = call("7", None);
                *request.uri_mut() = format!("http://h{path}").parse().unwrap();
                request
            }),
        ),
        (
            false,
            [call("7", None), call("7", None)].map(|request| {
                // Not one whole frame.
                request.map(|_| Full::from("\0\0\0\0\x077"))
            }),
        ),
    ];
    for (expected, pair) in pairs {
        let described = format!("{pair:?}");
        let desk = Desk::new();
        let at = desk.clone();
        let service = calls(&cache()).layer(probe(move |_: Request<Wrapped>| {
            let answer = at.serve();
            async move { ok(answer.await) }
        }));
        let answers = pair.map(|request| send(&service, request));
        settle().await;
        assert_eq!(desk.calls() == 1, expected, "{described}");
        desk.release(2);
        for answer in answers {
            told(answer).await;
        }
    }
}

#[tokio::test]
async fn a_call_without_an_end_is_not_shared() {
    let cache = Cache::builder().build().unwrap();
    let desk = Desk::new();
    let at = desk.clone();
    let service = calls(&cache).layer(probe(move |_: Request<Wrapped>| at.serve()));
    let answers = [send(&service, call("7", None)), send(&service, call("7", None))];
    settle().await;
    desk.release(2);
    let [one, two] = answers.map(told);
    assert_eq!((one.await, two.await), ("1".into(), "2".into()));
}
