//! Layers in the order that is right, and what happens in another.

use std::{
    convert::Infallible,
    fmt,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use cachekit_core::{Cache, Policy, Ttl};
use cachekit_tower::{
    BoxError, CacheLayer, InvalidateLayer, LockLayer, Principal, Scope, ScopeLayer, SplitLayer,
};
use http::{Request, Response, StatusCode, header};
use http_body::Body as HttpBody;
use tokio::sync::Notify;
use tower::{
    Layer as _, Service, ServiceBuilder, ServiceExt as _, limit::ConcurrencyLimitLayer,
    load_shed::LoadShedLayer, service_fn,
};
use tower_http::compression::CompressionLayer;

use crate::replies::{self, Reply, Whole, get, reply, request, user, users};

const POLICY: Policy = Policy::from_parts(Ttl::from_millis(600_000, 0), None);

async fn send<S, B>(service: &S, request: Request<Whole>) -> Reply
where
    S: Service<Request<Whole>, Response = Response<B>, Error: fmt::Debug> + Clone,
    B: HttpBody<Data = Bytes, Error: fmt::Debug>,
{
    reply(service.clone().oneshot(request).await.unwrap()).await
}

fn cache_layer(cache: &Cache) -> CacheLayer {
    users(cache).build().unwrap()
}

/// A page that is long enough to be packed.
fn page() -> Response<Whole> {
    let page = "a page ".repeat(64);
    Response::builder().header("content-type", "text/plain").body(page.into()).unwrap()
}

#[tokio::test]
async fn order_compression_inside_stores_nothing() {
    let packed = || request("GET", "/users/1", &[("accept-encoding", "gzip")]);
    let calls = Arc::new(AtomicUsize::new(0));
    macro_rules! handler {
        () => {{
            let calls = calls.clone();
            service_fn(move |_: Request<_>| {
                calls.fetch_add(1, SeqCst);
                async { Ok::<_, Infallible>(page()) }
            })
        }};
    }
    let wrong = ServiceBuilder::new()
        .layer(cache_layer(&replies::cache()))
        .layer(CompressionLayer::new())
        .service(handler!());
    for runs in 1..=3 {
        let reply = send(&wrong, packed()).await;
        assert!(reply.cache().ends_with("detail=vary"), "{}", reply.cache());
        assert_eq!(reply.line("vary"), "accept-encoding");
        assert_eq!(calls.load(SeqCst), runs);
    }

    calls.store(0, SeqCst);
    let right = ServiceBuilder::new()
        .layer(CompressionLayer::new())
        .layer(cache_layer(&replies::cache()))
        .service(handler!());
    for _ in 0..2 {
        assert_eq!(send(&right, packed()).await.line("content-encoding"), "gzip");
        assert_eq!(send(&right, get("/users/1")).await.body, reply(page()).await.body);
    }
    assert_eq!(calls.load(SeqCst), 1, "one entry, packed for who wants it");
}

/// Lets in whoever has a token that was not taken back; a guest has none.
async fn authenticated(
    request: &http::HeaderMap,
    revoked: &AtomicUsize,
) -> Result<(), Response<Whole>> {
    let token = request.get(header::AUTHORIZATION).map(|line| line.to_str().unwrap());
    if matches!(token, Some("ada" | "bob")) && revoked.load(SeqCst) == 0 {
        return Ok(());
    }
    Err(Response::builder().status(StatusCode::UNAUTHORIZED).body(Whole::default()).unwrap())
}

/// Answers with the name of whoever asks, if they may.
macro_rules! own_page {
    ($revoked:expr, $checks:literal) => {{
        let revoked = $revoked.clone();
        service_fn(move |request: Request<_>| {
            let revoked = revoked.clone();
            async move {
                let line = request.headers().get(header::AUTHORIZATION);
                let told = line.map(|line| line.to_str().unwrap().to_owned());
                if $checks {
                    if let Err(refused) = authenticated(request.headers(), &revoked).await {
                        return Ok(refused);
                    }
                }
                Ok::<_, Infallible>(Response::new(Whole::from(told.unwrap_or_default())))
            }
        })
    }};
}

fn with_token(token: &str) -> Request<Whole> {
    request("GET", "/users/1", &[("authorization", token)])
}

#[tokio::test]
async fn auth_inside_cache_never_leaks() {
    let revoked = Arc::new(AtomicUsize::new(0));
    let inside = cache_layer(&replies::cache()).layer(own_page!(revoked, true));
    for _ in 0..2 {
        assert_eq!(send(&inside, with_token("ada")).await.text(), "ada");
        assert_eq!(send(&inside, with_token("bob")).await.text(), "bob");
        assert_eq!(send(&inside, with_token("eve")).await.status, 401);
        let guest = send(&inside, get("/users/1")).await;
        assert_eq!((guest.status.as_u16(), guest.text()), (401, ""));
    }
    revoked.store(1, SeqCst);
    assert_eq!(send(&inside, with_token("ada")).await.status, 401);
}

fn per_token(cache: &Cache) -> CacheLayer {
    let who = |head: &http::request::Parts| {
        head.headers.get(header::AUTHORIZATION).map(|line| Principal::new(line.as_bytes()))
    };
    users(cache).per_principal(who).keep_headers(["authorization"]).build().unwrap()
}

#[tokio::test]
async fn a_token_that_was_taken_back_hits_until_the_end_if_authentication_is_inside() {
    let revoked = Arc::new(AtomicUsize::new(0));
    let inside = per_token(&replies::cache()).layer(own_page!(revoked, true));
    let page = own_page!(revoked, false);
    let (cached, checks) = (per_token(&replies::cache()).layer(page), revoked.clone());
    let outside = service_fn(move |request: Request<Whole>| {
        let (cached, checks) = (cached.clone(), checks.clone());
        async move {
            match authenticated(request.headers(), &checks).await {
                Ok(()) => Ok(reply(cached.oneshot(request).await?).await),
                Err(refused) => Ok::<_, Infallible>(reply(refused).await),
            }
        }
    });
    assert_eq!(send(&inside, with_token("ada")).await.status, 200);
    assert_eq!(outside.clone().oneshot(with_token("ada")).await.unwrap().status, 200);
    revoked.store(1, SeqCst);
    assert!(send(&inside, with_token("ada")).await.is_hit());
    assert_eq!(outside.oneshot(with_token("ada")).await.unwrap().status, 401);
}

/// A handler that is done with `/users/2` when it is told.
fn slow(go: &Arc<Notify>) -> replies::Site {
    let go = go.clone();
    replies::Site::new(move |request| {
        let go = go.clone();
        async move {
            if request.uri().path() == "/users/2" {
                go.notified().await;
            }
            replies::with(&[], "a user")
        }
    })
}

/// Stores `/users/1`, has `/users/2` take the only permit, and says whether the first is answered all the same.
async fn hits_while_the_permit_is_taken<S, B>(service: S, go: &Notify) -> bool
where
    S: Service<Request<Whole>, Response = Response<B>, Error = BoxError> + Clone,
    B: HttpBody<Data = Bytes, Error: fmt::Debug>,
{
    assert!(!send(&service, get("/users/1")).await.is_hit());
    let mut taking = pin!(service.clone().oneshot(get("/users/2")));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..100 {
        assert!(taking.as_mut().poll(&mut cx).is_pending(), "it has not been told");
        tokio::task::yield_now().await;
    }
    let mut asked = pin!(service.clone().oneshot(get("/users/1")));
    let mut answered = false;
    for _ in 0..100 {
        if let Poll::Ready(hit) = asked.as_mut().poll(&mut cx) {
            answered = reply(hit.unwrap()).await.is_hit();
            break;
        }
        tokio::task::yield_now().await;
    }
    go.notify_one();
    assert_eq!(reply(taking.await.unwrap()).await.text(), "a user");
    answered
}

#[tokio::test]
async fn a_concurrency_limit_inside_wants_load_shed_between() {
    let go = Arc::new(Notify::new());
    let bare = ServiceBuilder::new()
        .layer(cache_layer(&replies::cache()))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(slow(&go));
    assert!(!hits_while_the_permit_is_taken(bare, &go).await, "readiness is the service's inside");
    let shed = ServiceBuilder::new()
        .layer(cache_layer(&replies::cache()))
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(1))
        .service(slow(&go));
    assert!(hits_while_the_permit_is_taken(shed, &go).await);
}

#[tokio::test]
async fn a_concurrency_limit_outside_counts_hits() {
    let go = Arc::new(Notify::new());
    let outside = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(cache_layer(&replies::cache()))
        .service(slow(&go));
    assert!(!hits_while_the_permit_is_taken(outside, &go).await);
}

#[tokio::test]
async fn split_inside_stops_storing() {
    // A read that writes: it counts how often it was asked for.
    let handler = |_: Request<_>| async {
        Scope::current().unwrap().cache().invalidate(user("visits")).await;
        Ok::<_, Infallible>(Response::new(Whole::from("a user")))
    };
    let cache = replies::cache();
    let split = || SplitLayer::builder(&cache).secret([7; 32]).build().unwrap();
    let cookie = |reply: &Reply| reply.line("set-cookie").split(';').next().unwrap().to_owned();

    let wrong = ServiceBuilder::new()
        .layer(ScopeLayer::new(cache.clone()))
        .layer(users(&cache).name("wrong").build().unwrap())
        .layer(split())
        .service(service_fn(handler));
    for _ in 0..2 {
        let reply = send(&wrong, get("/users/1")).await;
        assert!(reply.cache().ends_with("detail=set-cookie"), "{}", reply.cache());
        // And whoever comes back with the cookie is somebody who has credentials.
        let request = request("GET", "/users/1", &[("cookie", &cookie(&reply))]);
        let reply = send(&wrong, request).await;
        assert!(reply.cache().ends_with("detail=credentials"), "{}", reply.cache());
    }

    let right = ServiceBuilder::new()
        .layer(ScopeLayer::new(cache.clone()))
        .layer(split())
        .layer(users(&cache).name("right").build().unwrap())
        .service(service_fn(handler));
    let first = send(&right, get("/users/1")).await;
    assert!(first.cache().ends_with("stored"), "{}", first.cache());
    let token = cookie(&first);
    assert!(token.starts_with("__Host-cachekit="), "{first:?}");
    let request = request("GET", "/users/1", &[("cookie", &token)]);
    let second = send(&right, request).await;
    assert!(second.is_hit(), "{}", second.cache());
    assert_eq!(second.line("set-cookie"), "", "only who wrote has a token");
}

/// Whether the next one could have the lock, and whether what it would read is the old entry.
async fn seen_between(cache: &Cache) -> (bool, bool) {
    let free = cache.lock(user("1")).try_acquire().await.is_ok();
    let load = async || Ok::<_, Infallible>(2);
    let old = cache.get_or_load(user("1"), &POLICY, load).await.unwrap() == 1;
    (free, old)
}

type Seen = Arc<Mutex<Option<(bool, bool)>>>;

/// Looks from between two layers, when the inner one is done.
#[derive(Clone)]
struct Look<S> {
    inner: S,
    cache: Cache,
    seen: Seen,
}

impl<S, Q> Service<Q> for Look<S>
where
    S: Service<Q, Response: Send, Error: Send, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let (done, cache, seen) = (self.inner.call(request), self.cache.clone(), self.seen.clone());
        Box::pin(async move {
            let response = done.await;
            let now = seen_between(&cache).await;
            *seen.lock().unwrap() = Some(now);
            response
        })
    }
}

async fn remember(cache: &Cache) {
    let load = async || Ok::<_, Infallible>(1);
    cache.get_or_load(user("1"), &POLICY, load).await.unwrap();
}

#[tokio::test]
async fn invalidate_outside_lock_shows_the_next_holder_the_old_entry() {
    let handler = |_: Request<_>| async { Ok::<_, Infallible>(Response::new(Whole::default())) };
    let put = || request("PUT", "/users/1", &[]);
    let seen = Seen::default();
    let layers = |cache: &Cache| {
        let path = "/users/{id}";
        let lock = LockLayer::builder(cache).path(path).key("user:<id>").build().unwrap();
        (lock, InvalidateLayer::builder(cache).path(path).key("user:<id>").build().unwrap())
    };

    let cache = replies::cache();
    let (lock, invalidate) = layers(&cache);
    let inner = lock.layer(service_fn(handler));
    let wrong = invalidate.layer(Look { inner, cache: cache.clone(), seen: seen.clone() });
    remember(&cache).await;
    assert_eq!(send(&wrong, put()).await.status, 200);
    assert_eq!(seen.lock().unwrap().take(), Some((true, true)));

    let cache = replies::cache();
    let (lock, invalidate) = layers(&cache);
    let inner = invalidate.layer(service_fn(handler));
    let right = lock.layer(Look { inner, cache: cache.clone(), seen: seen.clone() });
    remember(&cache).await;
    assert_eq!(send(&right, put()).await.status, 200);
    assert_eq!(seen.lock().unwrap().take(), Some((false, false)));
}
