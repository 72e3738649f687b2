//! The split layer.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cachekit_core::{Cache, LocalTier, Peek, ReadPreference, SessionSecrets};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tower::{Body, InvalidateLayer, Scope, ScopeLayer, SplitLayer, split::Transport};
use http::{HeaderMap, Method, Request, Response, header};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};

use super::{Frames, POLICY, cache, call, kit, kit::Whole, read, request, until, user};

const SECRET: [u8; 32] = [7; 32];
const OLD: [u8; 32] = [8; 32];

fn layer(cache: &Cache) -> SplitLayer {
    SplitLayer::builder(cache).secret(SECRET).build().unwrap()
}

/// Writes and reads as its paths say, and answers with what it read or where from.
async fn handler(request: Request<Whole>) -> Result<Response<Whole>, Infallible> {
    let scope = Scope::current().unwrap();
    let cache = scope.cache();
    let (path, id) = request.uri().path().rsplit_once('/').unwrap();
    let id = id.parse().unwrap_or(0);
    let text = match path {
        "/write" => {
            cache.invalidate(user(id)).await;
            format!("{:?}", scope.read_preference())
        }
        "/write-many" => {
            cache.invalidate_many((0..id).map(user)).await;
            String::new()
        }
        "/write-at" => {
            cache.invalidate(user(1)).await;
            scope.note_position(id);
            String::new()
        }
        "/read" => read(cache, id, 99).await.to_string(),
        "/cookies" => {
            let lines = request.headers().get_all(header::COOKIE);
            lines.iter().map(|line| line.to_str().unwrap()).collect::<Vec<_>>().join("|")
        }
        _ => format!("{:?}", scope.read_preference()),
    };
    Ok(kit::text(text))
}

fn service(
    cache: &Cache,
    layer: SplitLayer,
) -> impl Service<
    Request<Whole>,
    Response = Response<cachekit_tower::scope::ScopeBody<Whole>>,
    Error = Infallible,
> + Clone {
    ServiceBuilder::new()
        .layer(ScopeLayer::new(cache.clone()))
        .layer(layer)
        .service(service_fn(handler))
}

/// What comes back, and the token that comes with it.
async fn ask(
    (cache, layer): (&Cache, &SplitLayer),
    method: Method,
    path: &str,
    token: Option<&str>,
) -> (String, Option<String>) {
    let mut request = request(method, path);
    if let Some(token) = token {
        let cookie = format!("a=1; __Host-cachekit={token}; b=2");
        request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
    }
    let response = service(cache, layer.clone()).oneshot(request).await.unwrap();
    let token = issued(response.headers());
    (String::from_utf8(kit::body(response).await.to_vec()).unwrap(), token)
}

fn issued(headers: &HeaderMap) -> Option<String> {
    let line = headers.get(header::SET_COOKIE)?.to_str().unwrap();
    let (value, rest) = line.strip_prefix("__Host-cachekit=").unwrap().split_once(';').unwrap();
    assert!(rest.starts_with(" Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age="), "{rest}");
    Some(value.to_owned())
}

/// Two processes; pushes to the first are held, so that its copy is old for as long as the bound lets it.
#[tokio::test]
async fn write_then_read_other_process_sees_it() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let local = LocalTier::new().staleness(Duration::from_secs(600));
    let near = Cache::builder().namespace("t").local(local.clone()).redis(&proxy.url()).await;
    let near = near.unwrap().build().unwrap();
    let far = Cache::builder().namespace("t").local(local).redis(&server.url()).await.unwrap();
    let far = far.build().unwrap();
    until("a copy is kept", async || {
        read(&near, 1, 1).await;
        near.entry_count() > 0
    })
    .await;
    let _held = proxy.hold_pushes();
    let split = layer(&far);
    let (_, token) = ask((&far, &split), Method::PUT, "/write/1", None).await;
    let token = token.unwrap();
    // The other process has not been told, and need not be for ten minutes.
    let split = layer(&near);
    assert_eq!(ask((&near, &split), Method::GET, "/read/1", None).await.0, "1");
    assert_eq!(ask((&near, &split), Method::GET, "/read/1", Some(&token)).await.0, "99");
    assert_eq!(near.peek::<u64>(&user(1)).await, Peek::Hit(1), "who wrote nothing keeps the copy");
    assert_eq!(ask((&near, &split), Method::GET, "/read/1", Some("forged")).await.0, "1");
}

/// A key whose invalidation is under way still is read past Redis too.
#[tokio::test]
async fn a_pending_write_is_seen_by_its_client_in_another_process() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let writer = Cache::builder().namespace("t").redis(&proxy.url()).await.unwrap();
    let writer = writer.build().unwrap();
    let other = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    let other = other.build().unwrap();
    assert_eq!(read(&other, 1, 1).await, 1);
    let _held = proxy.hold(cachekit_test_support::invalidation);
    let (_, token) = ask((&writer, &layer(&writer)), Method::PUT, "/write/1", None).await;
    let split = layer(&other);
    assert_eq!(ask((&other, &split), Method::GET, "/read/1", None).await.0, "1");
    assert_eq!(ask((&other, &split), Method::GET, "/read/1", token.as_deref()).await.0, "99");
}

#[tokio::test]
async fn reads_may_use_replicas_until_they_write() {
    let cache = cache();
    let split = layer(&cache);
    let ask = async |method, path| ask((&cache, &split), method, path, None).await;
    let replica = format!("{:?}", ReadPreference::Replica { at_least: None });
    assert_eq!(ask(Method::GET, "/where/0").await, (replica.clone(), None));
    assert_eq!(ask(Method::PUT, "/where/0").await, ("Primary".to_owned(), None));
    let (wrote, token) = ask(Method::GET, "/write/1").await;
    assert_eq!((wrote.as_str(), token.is_some()), ("Primary", true));
    // Over gRPC by a list.
    let split = SplitLayer::builder(&cache).secret(SECRET).reads(["/where/0"]).build().unwrap();
    for (path, expected) in [("/where/0", replica.as_str()), ("/where/1", "Primary")] {
        let response = service(&cache, split.clone()).oneshot(call(path, b"")).await.unwrap();
        assert_eq!(kit::body(response).await, expected);
    }
}

#[tokio::test]
async fn lagging_replica_not_used() {
    let cache = cache();
    let split = layer(&cache);
    let ask = async |path, token| ask((&cache, &split), Method::GET, path, token).await;
    let (_, token) = ask("/write-at/42", None).await;
    let (where_from, _) = ask("/where/0", token.as_deref()).await;
    let preference = ReadPreference::Replica { at_least: Some(42) };
    assert_eq!(where_from, format!("{preference:?}"));
    assert!(!preference.allows(Some(41)) && !preference.allows(None));
    assert!(preference.allows(Some(42)) && preference.allows(Some(43)));
    // Where nobody has said where the write is, no replica is known to have it.
    let (_, token) = ask("/write/1", token.as_deref()).await;
    assert_eq!(ask("/where/0", token.as_deref()).await.0, "Primary");
}

#[tokio::test]
async fn forged_token_ignored() {
    let cache = cache();
    let (split, other) = (layer(&cache), SplitLayer::builder(&cache).secret(OLD).build().unwrap());
    let (_, token) = ask((&cache, &other), Method::PUT, "/write/1", None).await;
    read(&cache, 1, 1).await;
    let long = "A".repeat(2000);
    for token in [token.as_deref(), Some(""), Some("%%%"), Some("AAAA"), Some(&long)] {
        let (text, issued) = ask((&cache, &split), Method::GET, "/read/1", token).await;
        assert_eq!((text.as_str(), issued), ("1", None));
        let (text, _) = ask((&cache, &split), Method::GET, "/where/1", token).await;
        assert_eq!(text, format!("{:?}", ReadPreference::Replica { at_least: None }));
    }
    // It would have counted.
    let (text, _) = ask((&cache, &other), Method::GET, "/read/1", token.as_deref()).await;
    assert_eq!(text, "99");
}

#[tokio::test]
async fn rotation_keeps_sessions() {
    let cache = cache();
    let old = SplitLayer::builder(&cache).secret(OLD).build().unwrap();
    let (_, token) = ask((&cache, &old), Method::PUT, "/write/1", None).await;
    read(&cache, 1, 1).await;
    let both = SplitLayer::builder(&cache).secret(SECRET).previous_secret(OLD).build().unwrap();
    let (text, _) = ask((&cache, &both), Method::GET, "/read/1", token.as_deref()).await;
    assert_eq!(text, "99");
    // What is issued now holds after the old secret is gone, the old write included.
    let (_, token) = ask((&cache, &both), Method::PUT, "/write/2", token.as_deref()).await;
    let (text, _) = ask((&cache, &layer(&cache)), Method::GET, "/read/1", token.as_deref()).await;
    assert_eq!(text, "99");
}

#[tokio::test]
async fn own_cookie_does_not_bypass_cache() {
    let cache = cache();
    let split = layer(&cache);
    let (_, token) = ask((&cache, &split), Method::PUT, "/write/1", None).await;
    let (seen, _) = ask((&cache, &split), Method::GET, "/cookies/0", token.as_deref()).await;
    assert_eq!(seen, "a=1; b=2", "the layers inside see no cookie of ours");
    let mut alone = request(Method::GET, "/cookies/0");
    let cookie = format!("__Host-cachekit={}", token.unwrap());
    alone.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
    let response = service(&cache, split).oneshot(alone).await.unwrap();
    assert_eq!(kit::body(response).await, "", "nor an empty one");
}

#[tokio::test]
async fn overflow_flags_all_keys() {
    let cache = cache();
    let split = layer(&cache);
    let (_, token) = ask((&cache, &split), Method::PUT, "/write-many/33", None).await;
    read(&cache, 1000, 1).await;
    assert_eq!(ask((&cache, &split), Method::GET, "/read/1000", None).await.0, "1");
    let (text, _) = ask((&cache, &split), Method::GET, "/read/1000", token.as_deref()).await;
    assert_eq!(text, "99");
}

#[tokio::test]
async fn skewed_clock_within_bound() {
    let cache = cache();
    let at = |seconds: u64| {
        let secrets = SessionSecrets::new(SECRET).unwrap();
        let secrets = secrets.with_clock(move || UNIX_EPOCH + Duration::from_secs(seconds));
        let split = SplitLayer::builder(&cache).secrets(secrets).staleness("1s");
        split.build().unwrap()
    };
    let (_, token) = ask((&cache, &at(1000)), Method::PUT, "/write/1", None).await;
    read(&cache, 1, 1).await;
    let read = async |seconds| {
        ask((&cache, &at(seconds)), Method::GET, "/read/1", token.as_deref()).await.0
    };
    // Twice the bound after the write, by a clock that is almost five seconds ahead, or behind.
    assert_eq!(read(1000 + 2 + 4).await, "99");
    assert_eq!(read(1000 - 5).await, "99");
    assert_eq!(read(1000 + 2 + 5).await, "1");
}

#[tokio::test]
async fn tokens_travel_in_headers_too() {
    let cache = cache();
    let split = SplitLayer::builder(&cache).secret(SECRET).transport(Transport::Header);
    let split = split.build().unwrap();
    let write = request(Method::PUT, "/write/1");
    let response = service(&cache, split.clone()).oneshot(write).await.unwrap();
    assert!(!response.headers().contains_key(header::SET_COOKIE));
    let token = response.headers()["cachekit-session"].clone();
    read(&cache, 1, 1).await;
    let mut get = request(Method::GET, "/read/1");
    get.headers_mut().insert("cachekit-session", token);
    let response = service(&cache, split.clone()).oneshot(get).await.unwrap();
    assert_eq!(kit::body(response).await, "99");
    // And in metadata.
    let response = service(&cache, split.clone()).oneshot(call("/write/1", b"")).await.unwrap();
    let token = response.headers()["cachekit-session-bin"].clone();
    let mut again = call("/read/1", b"");
    again.headers_mut().insert("cachekit-session-bin", token);
    read(&cache, 1, 1).await;
    let response = service(&cache, split).oneshot(again).await.unwrap();
    assert_eq!(kit::body(response).await, "99");
}

/// Without a scope outside it makes its own.
#[tokio::test]
async fn it_brings_a_scope_where_there_is_none() {
    let cache = cache();
    let service = tower::Layer::layer(&layer(&cache), service_fn(handler));
    let response = service.oneshot(request(Method::PUT, "/write/1")).await.unwrap();
    assert!(issued(response.headers()).is_some());
}

#[tokio::test]
async fn a_token_ends_with_the_clock() {
    let cache = cache();
    let (_, token) = ask((&cache, &layer(&cache)), Method::PUT, "/write/1", None).await;
    let later = SystemTime::now() + Duration::from_secs(3600);
    let secrets = SessionSecrets::new(SECRET).unwrap().with_clock(move || later);
    let split = SplitLayer::builder(&cache).secrets(secrets).build().unwrap();
    let load = async || Ok::<_, Infallible>(1_u64);
    cache.get_or_load(user(1), &POLICY, load).await.unwrap();
    let (text, _) = ask((&cache, &split), Method::GET, "/read/1", token.as_deref()).await;
    assert_eq!(text, "1");
}

#[tokio::test]
async fn a_call_whose_write_is_invalidated_at_its_trailers_has_a_token() {
    let cache = cache();
    let layer = InvalidateLayer::builder(&cache).calls(["/s.S/Write"]).key_with(|_| Ok(user(1)));
    let handler =
        service_fn(async |_: Request<Body<Whole>>| Ok::<_, Infallible>(Frames::grpc("0")));
    let service = SplitLayer::builder(&cache).secret(SECRET).build().unwrap();
    let service = service.layer(layer.build().unwrap().layer(handler));
    let answer = service.oneshot(call("/s.S/Write", b"")).await.unwrap();
    assert!(answer.headers().contains_key("cachekit-session-bin"));
}
