//! The scope layer, alone and around bodies, streams and spawned tasks.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use cachekit_core::{Cache, Key, Peek, Policy, Ttl, key::RuntimeTemplate};
use cachekit_tower::{Scope, ScopeLayer};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

const POLICY: Policy = Policy::from_parts(Ttl::from_millis(60_000, 0), None);

fn cache() -> Cache {
    Cache::builder().build().unwrap()
}

fn key(name: &str) -> Key {
    let template = RuntimeTemplate::parse("item:<name>").unwrap();
    template
        .expand(|_, w| {
            w.str(name);
            Ok::<_, cachekit_core::Error>(())
        })
        .unwrap()
}

/// What the cache in scope is told to keep under a name; without one nothing is kept.
async fn read(scope: &Scope, name: &str) {
    let load = async || Ok::<_, Infallible>(1_u64);
    scope.cache().get_or_load(key(name), &POLICY, load).await.unwrap();
}

fn request() -> Request<Empty<&'static [u8]>> {
    Request::new(Empty::new())
}

/// A body that invalidates while it is polled.
struct Late(Option<Key>);

impl Body for Late {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<&'static [u8]>, Infallible>>> {
        let Some(key) = self.0.take() else { return Poll::Ready(None) };
        invalidate_in_scope(key);
        Poll::Ready(Some(Ok(Frame::data(b"late"))))
    }
}

/// Invalidates through the cache in scope, as an attributed function would.
fn invalidate_in_scope(key: Key) {
    let site = &SITE;
    let rules = cachekit_core::__private::WriteRules { failed: None, again_after: None };
    let write =
        cachekit_core::__private::write(site, None, vec![key], rules, |_: &(), _| {}, || async {});
    let mut write = Box::pin(write);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(write.as_mut().poll(&mut cx).is_ready());
}

static SITE: cachekit_core::__private::Site =
    cachekit_core::__private::Site::write("scope::invalidate", file!(), line!());

#[tokio::test]
async fn scope_reaches_streaming_body() {
    let cache = cache();
    let handler = service_fn(async |request: Request<Empty<&'static [u8]>>| {
        let scope = request.extensions().get::<Scope>().unwrap().clone();
        read(&scope, "a").await;
        Ok::<_, Infallible>(Response::new(Late(Some(key("a")))))
    });
    let service = ScopeLayer::new(cache.clone()).layer(handler);
    let response = service.oneshot(request()).await.unwrap();
    assert_eq!(cache.peek::<u64>(&key("a")).await, Peek::Hit(1));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "late");
    assert_eq!(cache.peek::<u64>(&key("a")).await, Peek::Miss);
}

#[tokio::test]
async fn a_dropped_handler_invalidates_in_its_scope() {
    struct OnDrop;
    impl Drop for OnDrop {
        fn drop(&mut self) {
            invalidate_in_scope(key("a"));
        }
    }
    let cache = cache();
    read(&Scope::new(cache.clone()), "a").await;
    let handler = service_fn(async |_: Request<Empty<&'static [u8]>>| {
        let _guard = OnDrop;
        std::future::pending::<Result<Response<Empty<&[u8]>>, Infallible>>().await
    });
    let mut service = ScopeLayer::new(cache.clone()).layer(handler);
    let mut future = Box::pin(service.ready().await.unwrap().call(request()));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    drop(future);
    assert_eq!(cache.peek::<u64>(&key("a")).await, Peek::Miss);
}

#[tokio::test]
async fn scope_does_not_leak_between_requests() {
    let handler = service_fn(async |request: Request<Empty<&'static [u8]>>| {
        let scope = request.extensions().get::<Scope>().unwrap();
        let before = scope.invalidated().len();
        invalidate_in_scope(key("a"));
        let after = scope.invalidated();
        Ok::<_, Infallible>(Response::new(format!("{before} {after:?}")))
    });
    let mut service = ScopeLayer::new(cache()).layer(handler);
    for _ in 0..2 {
        let response = service.ready().await.unwrap().call(request()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        // Templates, not keys.
        assert_eq!(body, "0 [Key(\"item:<name>\")]");
    }
}

#[tokio::test]
async fn scope_nested_innermost_wins() {
    let (outer, inner) = (cache(), cache());
    let handler = service_fn(async |_: Request<Empty<&'static [u8]>>| {
        invalidate_in_scope(key("a"));
        Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
    });
    for cache in [&outer, &inner] {
        read(&Scope::new(cache.clone()), "a").await;
    }
    let service =
        ScopeLayer::new(outer.clone()).layer(ScopeLayer::new(inner.clone()).layer(handler));
    service.oneshot(request()).await.unwrap();
    assert_eq!(inner.peek::<u64>(&key("a")).await, Peek::Miss);
    assert_eq!(outer.peek::<u64>(&key("a")).await, Peek::Hit(1));
}

#[tokio::test]
async fn scope_in_spawned_task_needs_run() {
    let cache = cache();
    let handler = service_fn(async |request: Request<Empty<&'static [u8]>>| {
        let scope = request.extensions().get::<Scope>().unwrap().clone();
        read(&scope, "a").await;
        let lost = tokio::spawn(async { invalidate_in_scope(key("a")) }).await;
        assert!(lost.unwrap_err().is_panic(), "no cache is in scope there");
        assert_eq!(scope.cache().peek::<u64>(&key("a")).await, Peek::Hit(1));
        let run = async move { scope.run(async { invalidate_in_scope(key("a")) }).await };
        tokio::spawn(run).await.unwrap();
        Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new()))
    });
    let service = ScopeLayer::new(cache.clone()).layer(handler);
    service.oneshot(request()).await.unwrap();
    assert_eq!(cache.peek::<u64>(&key("a")).await, Peek::Miss);
}

#[tokio::test]
async fn scope_works_for_non_http_service() {
    let cache = cache();
    read(&Scope::new(cache.clone()), "a").await;
    let handler = service_fn(async |name: &'static str| {
        invalidate_in_scope(key(name));
        Ok::<_, Infallible>(())
    });
    let service = ScopeLayer::for_any_request(cache.clone()).layer(handler);
    service.oneshot("a").await.unwrap();
    assert_eq!(cache.peek::<u64>(&key("a")).await, Peek::Miss);
}

/// A service that panics when it is called without having been polled ready.
#[derive(Clone, Default)]
struct MustBeReady(bool);

impl Service<u64> for MustBeReady {
    type Response = u64;
    type Error = Infallible;
    type Future = std::future::Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0 = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        assert!(std::mem::take(&mut self.0), "called without having been readied");
        std::future::ready(Ok(request))
    }
}

#[tokio::test]
async fn the_readied_service_is_called() {
    let mut service = ScopeLayer::for_any_request(cache()).layer(MustBeReady::default());
    for request in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(request).await, Ok(request));
    }
}

#[test]
fn auto_traits() {
    fn promised<T: Clone + Send + Sync + 'static>(_: &T) {}
    let layer = ScopeLayer::new(cache());
    promised(&layer);
    promised(&layer.layer(MustBeReady::default()));
    promised(&ScopeLayer::for_any_request(cache()));
}
