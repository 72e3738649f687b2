//! What of a run is shared.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use bytes::Bytes;
use cachekit_tower::SingleflightLayer;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{
    Desk, Wrapped, fresh,
    kit::{Whole, body, get, probe, settle, text},
    running, send, told,
};

#[tokio::test]
async fn uncacheable_releases_all_at_once() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = running().layer(probe(move |_: Request<Wrapped>| {
        let answer = at.serve();
        async move {
            let mut response = answer.await;
            response.headers_mut().insert("cache-control", "private".parse().unwrap());
            response
        }
    }));
    let answers: Vec<_> = (0..10).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    assert_eq!(desk.calls(), 1);
    desk.release(1);
    settle().await;
    assert_eq!(desk.calls(), 10);
    // Under the mark nobody waits any more.
    let more: Vec<_> = (0..5).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    assert_eq!(desk.calls(), 15);
    desk.release(20);
    let mut seen = Vec::new();
    for answer in answers.into_iter().chain(more) {
        seen.push(told(answer).await);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 15);
}

#[tokio::test]
async fn private_response_goes_to_starter_only() {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("set-cookie", "a=b"),
        ("vary", "accept-encoding"),
        ("access-control-allow-origin", "https://a.com"),
        ("content-security-policy", "script-src 'nonce-x'"),
    ] {
        let desk = Desk::new();
        let at = desk.clone();
        let service = running().layer(probe(move |_: Request<Wrapped>| {
            let answer = at.serve();
            async move {
                let mut response = answer.await;
                response.headers_mut().insert(name, value.parse().unwrap());
                response
            }
        }));
        let starter = send(&service, get("/1"));
        settle().await;
        let followers: Vec<_> = (0..3).map(|_| send(&service, get("/1"))).collect();
        settle().await;
        // Should it be gone, nobody is given what was for it.
        starter.abort();
        settle().await;
        desk.release(10);
        for answer in followers {
            assert_ne!(told(answer).await, "1", "{name}");
        }
    }
}

#[tokio::test]
async fn failures_are_shared_unless_they_are_not_to_be() {
    for (share, runs) in [(true, 1), (false, 5)] {
        let desk = Desk::new();
        let at = desk.clone();
        let layer = SingleflightLayer::running().any_path().share_failures(share).build().unwrap();
        let service = layer.layer(probe(move |_: Request<Wrapped>| {
            let answer = at.serve();
            async move {
                let mut response = answer.await;
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        }));
        let answers: Vec<_> = (0..5).map(|_| send(&service, get("/1"))).collect();
        settle().await;
        assert_eq!(desk.calls(), 1);
        desk.release(5);
        for answer in answers {
            assert_eq!(answer.await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
        assert_eq!(desk.calls(), runs);
    }
}

#[tokio::test]
async fn after_three_errors_the_rest_is_told() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = running().layer(service_fn(move |_: Request<Wrapped>| {
        let number = counted.fetch_add(1, SeqCst);
        async move {
            tokio::task::yield_now().await;
            Err::<Response<Whole>, _>(format!("error {number}"))
        }
    }));
    let send = || {
        let service = service.clone();
        tokio::spawn(async move { service.oneshot(get("/1")).await })
    };
    let answers: Vec<_> = (0..6).map(|_| send()).collect();
    let (mut errors, mut told) = (Vec::new(), 0);
    for answer in answers {
        match answer.await.unwrap() {
            Err(error) => errors.push(error),
            Ok(response) => {
                assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
                told += 1;
            }
        }
    }
    errors.sort();
    assert_eq!((errors, told), (vec!["error 0".into(), "error 1".into(), "error 2".into()], 3));
}

#[tokio::test]
async fn a_panic_reaches_its_driver_and_the_next_one_runs() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = running().layer(probe(move |_: Request<Wrapped>| {
        let number = counted.fetch_add(1, SeqCst);
        async move {
            tokio::task::yield_now().await;
            assert!(number > 0, "the first one panics");
            text("done")
        }
    }));
    let starter = send(&service, get("/1"));
    let followers: Vec<_> = (0..3).map(|_| send(&service, get("/1"))).collect();
    let panic = starter.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the first one panics"));
    for answer in followers {
        assert_eq!(told(answer).await, "done");
    }
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test]
async fn conditional_members_get_own_304() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = running().layer(probe(move |request: Request<Wrapped>| {
        assert!(!request.headers().contains_key("if-none-match"));
        let answer = at.serve();
        async move {
            let mut response = answer.await;
            response.headers_mut().insert("etag", "\"a\"".parse().unwrap());
            response
        }
    }));
    let conditional = |tag: &str| {
        let mut request = get("/1");
        request.headers_mut().insert("if-none-match", tag.parse().unwrap());
        request
    };
    let starter = send(&service, conditional("\"a\""));
    let same = send(&service, conditional("W/\"a\""));
    let other = send(&service, conditional("\"b\""));
    let plain = send(&service, get("/1"));
    settle().await;
    desk.release(1);
    for answer in [starter, same] {
        let response = answer.await.unwrap();
        assert_eq!(
            (response.status(), response.headers()["etag"].as_bytes()),
            (StatusCode::NOT_MODIFIED, &b"\"a\""[..])
        );
        assert!(body(response).await.is_empty());
    }
    for answer in [other, plain] {
        let response = answer.await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(body(response).await, "1");
    }
    assert_eq!(desk.calls(), 1);
}

#[tokio::test]
async fn who_runs_alone_gets_all_of_a_response_or_its_own_304() {
    let service = fresh().layer(probe(|request: Request<Wrapped>| async move {
        assert!(!request.headers().contains_key("if-none-match"));
        let mut response = text("whole");
        response.headers_mut().insert("etag", "\"a\"".parse().unwrap());
        response.headers_mut().insert("content-length", "5".parse().unwrap());
        if request.uri().path() == "/fails" {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        if *request.method() == http::Method::HEAD {
            *response.body_mut() = Whole::default();
        }
        response
    }));
    let ask = async |method: &str, path: &str, tag: &str| {
        let request = Request::builder().method(method).uri(path).header("host", "h");
        let request = request.header("if-none-match", tag).body(Whole::default()).unwrap();
        let response = service.clone().oneshot(request).await.unwrap();
        let length = response.headers().contains_key("content-length");
        (response.status().as_u16(), length, body(response).await)
    };
    assert_eq!(ask("GET", "/1", "\"b\"").await, (200, true, "whole".into()));
    assert_eq!(ask("GET", "/1", "\"a\"").await, (304, false, "".into()));
    assert_eq!(ask("GET", "/fails", "\"a\"").await, (500, true, "whole".into()));
    assert_eq!(ask("HEAD", "/1", "\"b\"").await, (200, true, "".into()));
}

#[tokio::test]
async fn all_of_a_response_is_shared() {
    let desk = Desk::new();
    let at = desk.clone();
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("t"), "1".parse().unwrap())]);
    let sent = trailers.clone();
    let handler = service_fn(move |_: Request<Wrapped>| {
        let (answer, trailers) = (at.serve(), sent.clone());
        async move {
            answer.await;
            let frames = [
                Frame::data(Bytes::from("a")),
                Frame::data(Bytes::from("b")),
                Frame::trailers(trailers),
            ];
            let frames = frames.map(Ok::<_, Infallible>);
            let mut response = Response::new(StreamBody::new(Stream(frames.into_iter())));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response.headers_mut().append("x", "1".parse().unwrap());
            response.headers_mut().append("x", "2".parse().unwrap());
            Ok::<_, Infallible>(response)
        }
    });
    let service = running().layer(handler);
    let send = || {
        let service = service.clone();
        tokio::spawn(async move { service.oneshot(get("/1")).await.unwrap() })
    };
    let answers: Vec<_> = (0..3).map(|_| send()).collect();
    settle().await;
    desk.release(1);
    for answer in answers {
        let response = answer.await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers().get_all("x").iter().count(), 2);
        assert_eq!(response.body().size_hint().upper(), None);
        let all = response.into_body().collect().await.unwrap();
        assert_eq!(all.trailers(), Some(&trailers));
        assert_eq!(all.to_bytes(), "ab");
    }
    assert_eq!(desk.calls(), 1);
}

struct Stream<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Stream<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}
