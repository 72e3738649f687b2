//! The layer as one of Tower's: permits, readiness, errors, requests that are not of HTTP.

use std::{convert::Infallible, time::Duration};

use cachekit_core::Cache;
use cachekit_tower::{Body, BoxError, SingleflightLayer};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _, service_fn};

use super::{
    Desk, Wrapped, fresh, item,
    kit::{Whole, body, get, probe, settle, text},
    running, send, told,
};

#[tokio::test]
async fn followers_hold_no_permit() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = ServiceBuilder::new()
        .layer(running())
        .concurrency_limit(2)
        .service(probe(move |_: Request<Wrapped>| at.serve()));
    let answers: Vec<_> = (0..20).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    // One permit is the run's, and one is free.
    let other = send(&service, get("/2"));
    settle().await;
    assert_eq!(desk.calls(), 2);
    desk.release(2);
    for answer in answers {
        told(answer).await;
    }
    told(other).await;
}

#[tokio::test]
async fn readies_equal_calls_plus_drops() {
    for layer in [fresh(), running()] {
        let desk = Desk::new();
        let at = desk.clone();
        let probe = probe(move |_: Request<Wrapped>| at.serve());
        let counts = probe.counts.clone();
        let service = layer.layer(probe);
        let mut answers: Vec<_> = (0..10).map(|_| send(&service, get("/1"))).collect();
        answers.push(send(&service, Request::post("/1").body(Full::default()).unwrap()));
        settle().await;
        answers[0].abort();
        desk.release(20);
        for answer in answers {
            let _ended = answer.await;
        }
        let (readied, called, dropped) = counts.now();
        assert_eq!(readied, called + dropped);
        assert!(dropped > 0 && called > 1);
    }
}

#[tokio::test]
#[should_panic(expected = "called without having been readied")]
async fn panics_if_called_unreadied() {
    // The probe itself: every test above would fail if the layer called a service that is not ready.
    let mut service = running().layer(probe(|_: Request<Wrapped>| async { text("") }));
    let _answer = service.call(Request::post("/").body(Whole::default()).unwrap());
}

#[test]
fn auto_traits() {
    fn promised<T: Clone + Send + Sync + 'static>() {}
    fn sendable<T: Send + 'static>() {}
    type Inner = tower::util::BoxCloneSyncService<Request<Wrapped>, Response<Whole>, Infallible>;
    type Service = <SingleflightLayer as Layer<Inner>>::Service;
    promised::<SingleflightLayer>();
    promised::<Service>();
    promised::<cachekit_tower::singleflight::SingleflightBuilder>();
    promised::<cachekit_tower::BuildError>();
    sendable::<<Service as tower::Service<Request<Whole>>>::Future>();
    sendable::<Body<Whole>>();
}

#[tokio::test]
async fn error_type_is_inner() {
    #[derive(Debug, PartialEq)]
    struct Own;
    let service =
        running().layer(service_fn(async |_: Request<Wrapped>| Err::<Response<Whole>, _>(Own)));
    assert_eq!(service.oneshot(get("/1")).await.unwrap_err(), Own);
}

#[tokio::test]
async fn boxerror_inner_passes_through() {
    let service = ServiceBuilder::new()
        .layer(running())
        .load_shed()
        .concurrency_limit(1)
        .timeout(Duration::from_millis(1))
        .service_fn(async |_: Request<Wrapped>| {
            std::future::pending::<Result<Response<Whole>, BoxError>>().await
        });
    let error = service.oneshot(get("/1")).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>(), "{error}");
}

#[tokio::test]
async fn layer_twice_shares_state() {
    let desk = Desk::new();
    let layer = running();
    let services = [0, 1].map(|_| {
        let at = desk.clone();
        layer.clone().layer(probe(move |_: Request<Wrapped>| at.serve()))
    });
    let answers: Vec<_> = services.iter().map(|service| send(service, get("/1"))).collect();
    settle().await;
    assert_eq!(desk.calls(), 1);
    desk.release(1);
    for answer in answers {
        assert_eq!(told(answer).await, "1");
    }
}

#[test]
fn clone_is_cheap() {
    // One count more, and whatever the inner service costs.
    let service = running().layer(());
    assert_eq!(size_of_val(&service), size_of::<usize>());
}

#[test]
fn mistakes_are_told_at_once() {
    let cache = Cache::disabled();
    let builder = SingleflightLayer::fenced(&cache)
        .key("<id>")
        .methods([http::Method::POST])
        .vary(["a b"])
        .max_parallel(0)
        .per_credential()
        .share_across_users()
        .wait_timeout("soon");
    let error = builder.build().unwrap_err();
    assert_eq!(error.mistakes().count(), 7, "{error}");
}

#[tokio::test]
async fn requests_of_any_kind_share_by_their_key() {
    let desk = Desk::new();
    let at = desk.clone();
    let key = |id: &u64| item(&id.to_string());
    let service = cachekit_tower::singleflight::of(key).layer(service_fn(move |_: u64| {
        let answer = at.serve();
        async move { Ok::<_, Infallible>(body(answer.await).await) }
    }));
    let send = |id: u64| {
        let service = service.clone();
        tokio::spawn(async move { service.oneshot(id).await.unwrap() })
    };
    let (first, other) = (send(1), send(2));
    settle().await;
    let later = [send(1), send(1), send(1)];
    settle().await;
    assert_eq!(desk.calls(), 2);
    desk.release(3);
    first.await.unwrap();
    other.await.unwrap();
    for answer in later {
        assert_eq!(answer.await.unwrap(), "3");
    }
    assert_eq!(desk.calls(), 3);
}
