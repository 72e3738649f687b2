//! What Tower asks of every layer, asked of the cache layer.

use cachekit_core::Cache;
use cachekit_tower::{
    CacheLayer,
    cache::{CacheLayerBuilder, CacheService, Freshness, ResponseFuture},
};
use http::{Method, Request};
use http_body_util::Full;
use tower::{Layer as _, Service as _, ServiceExt as _};

use crate::kit::{body, get, poll_once, probe, settle, text};

fn layer() -> CacheLayer {
    let cache = Cache::builder().build().unwrap();
    CacheLayer::builder(&cache).any_path().ttl("60s").build().unwrap()
}

#[tokio::test]
async fn panics_if_called_unreadied() {
    let probe = probe(async |_| text("x"));
    let counts = probe.counts.clone();
    let mut service = layer().layer(probe);
    for path in ["/a", "/b", "/a"] {
        let response = service.ready().await.unwrap().call(get(path)).await.unwrap();
        assert_eq!(body(response).await, "x");
    }
    let put = Request::builder().method(Method::PUT).uri("/a").header("host", "h");
    service.ready().await.unwrap().call(put.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(counts.now().1, 3, "two misses and a write; the probe panics if it was not readied");
}

#[tokio::test]
async fn readies_equal_calls_plus_drops() {
    let probe = probe(async |_| text("x"));
    let counts = probe.counts.clone();
    let mut service = layer().layer(probe);
    for path in ["/a", "/a", "/b"] {
        service.ready().await.unwrap().call(get(path)).await.unwrap();
    }
    let head = Request::head("/c").header("host", "h").body(Full::default()).unwrap();
    service.ready().await.unwrap().call(head).await.unwrap();
    drop(service);
    settle().await;
    let (readied, called, dropped) = counts.now();
    assert_eq!(readied, called + dropped);
}

#[tokio::test]
async fn layer_twice_shares_state() {
    let probe = probe(async |_| text("x"));
    let counts = probe.counts.clone();
    let layer = layer();
    let (mut one, mut other) = (layer.layer(probe.clone()), layer.clone().layer(probe));
    one.ready().await.unwrap().call(get("/a")).await.unwrap();
    let hit = other.ready().await.unwrap().call(get("/a")).await.unwrap();
    assert!(hit.headers()["cache-status"].to_str().unwrap().contains("hit"));
    assert_eq!(counts.now().1, 1);
}

#[tokio::test]
async fn a_request_that_is_dropped_unpolled_has_done_nothing() {
    let probe = probe(async |_| text("x"));
    let counts = probe.counts.clone();
    let mut service = layer().layer(probe);
    drop(service.ready().await.unwrap().call(get("/a")));
    assert_eq!(counts.now().1, 0);
    let mut polled = Box::pin(service.ready().await.unwrap().call(get("/a")));
    let _may_be_ready = poll_once(polled.as_mut());
    drop(polled);
    let response = service.ready().await.unwrap().call(get("/a")).await.unwrap();
    assert_eq!(body(response).await, "x");
}

#[test]
fn auto_traits() {
    fn is_all<T: Clone + Send + Sync + 'static>() {}
    fn is_send<T: Send>() {}
    is_all::<CacheLayer>();
    is_all::<CacheService<tower::util::BoxCloneSyncService<(), (), ()>>>();
    is_all::<Freshness>();
    is_send::<CacheLayerBuilder>();
    is_send::<ResponseFuture<std::future::Pending<()>, Full<bytes::Bytes>, std::io::Error>>();
}
