//! The cache layer's security rules: no response is anybody's whose request has another identity.

use std::time::Duration;

use cachekit_core::{Cache, LocalTier};
use cachekit_test_support::RedisServer;
use cachekit_tower::{CacheLayer, Freshness, Principal};
use http::Request;
use http_body_util::Full;

use crate::replies::{self, Site, cache, front, get, request, send, users, with};

const CREDENTIALS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "x-auth-token",
    "x-amz-security-token",
];

#[tokio::test]
async fn credentials_bypass() {
    let site = Site::numbered(&[("cache-control", "public, max-age=60")]);
    // The key forgets who asks; so would most.
    let front = front(users(&cache()).credential_headers(["x-own"]), &site);
    send(&front, get("/users/1")).await;
    for name in CREDENTIALS.into_iter().chain(["x-own"]) {
        for _ in 0..2 {
            let calls = site.calls();
            let reply = send(&front, request("GET", "/users/1", &[(name, "a")])).await;
            assert_eq!(reply.cache(), "cachekit; fwd=bypass; detail=credentials", "{name}");
            assert_eq!(site.calls(), calls + 1, "{name}");
            let seen = site.seen.lock().unwrap().last().unwrap().clone();
            assert_eq!(seen.headers[name], "a", "what is passed by is not altered");
        }
    }
    let mut with_principal = get("/users/1");
    with_principal.extensions_mut().insert(Principal::new("ada"));
    assert!(!send(&front, with_principal).await.is_hit());
    assert!(send(&front, get("/users/1")).await.is_hit());
}

#[tokio::test]
async fn per_principal_is_explicit() {
    let site = Site::numbered(&[]);
    let by_name = |parts: &http::request::Parts| {
        let name = parts.headers.get("authorization")?.to_str().ok()?;
        Some(Principal::new(name))
    };
    let front_of = front(users(&cache()).per_principal(by_name), &site);
    let ask = |name| request("GET", "/users/1", &[("authorization", name)]);
    assert_eq!(send(&front_of, ask("ada")).await.text(), "0");
    assert_eq!(send(&front_of, ask("bob")).await.text(), "1");
    assert_eq!(send(&front_of, ask("ada")).await.text(), "0");
    assert!(send(&front_of, get("/users/1")).await.cache().contains("credentials"));

    let per_credential = front(users(&cache()).per_credential(), &site);
    let first = send(&per_credential, ask("ada")).await;
    assert_eq!(send(&per_credential, ask("ada")).await.text(), first.text());
    assert_ne!(send(&per_credential, ask("bob")).await.text(), first.text());
    assert_ne!(send(&per_credential, get("/users/1")).await.text(), first.text());

    let public = Site::numbered(&[("cache-control", "public")]);
    let shared = front(users(&cache()).share_across_users(), &public);
    assert_eq!(send(&shared, ask("ada")).await.text(), "0");
    assert_eq!(send(&shared, ask("bob")).await.text(), "0");
    assert!(
        public.seen.lock().unwrap().iter().all(|seen| !seen.headers.contains_key("authorization"))
    );

    let private = front(users(&cache()).share_across_users(), &site);
    send(&private, ask("ada")).await;
    assert!(send(&private, ask("ada")).await.cache().contains("not-public"));
}

#[tokio::test]
async fn secrets_never_stored() {
    let server = RedisServer::start();
    let builder = Cache::builder().namespace("s").redis(&server.url()).await.unwrap();
    let cache = builder.build().unwrap();
    let wrong = users(&cache).per_credential().build().unwrap_err();
    assert!(wrong.to_string().contains("identity_secret"), "{wrong}");
    let site = Site::numbered(&[]);
    let layer = users(&cache).per_credential().identity_secret("0123456789abcdef");
    let front = front(layer, &site);
    let ask =
        || request("GET", "/users/1", &[("authorization", "Bearer tops3cret"), ("x-a", "h1dden")]);
    send(&front, ask()).await;
    assert!(send(&front, ask()).await.is_hit());
    let mut connection = server.connection();
    let dump = all_bytes(&mut connection);
    assert!(dump.contains("~r:http:"), "there is an entry");
    for secret in ["tops3cret", "h1dden", "Bearer"] {
        assert!(!dump.contains(secret), "{secret}");
    }
}

/// All keys and what is under them.
fn all_bytes(connection: &mut cachekit_test_support::Connection) -> String {
    let script = "local o = '' for _, k in ipairs(redis.call('KEYS', '*')) do \
                  local ok = redis.pcall('GET', k) o = o .. k if type(ok) == 'string' then o = o .. ok end end return o";
    let all = connection.call(&["EVAL", script, "0"]).bytes().unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn unkeyed_headers_hidden() {
    let site = Site::numbered(&[]);
    let front = front(users(&cache()).vary(["x-tenant"]).keep_headers(["x-kept"]), &site);
    let lines = [
        ("x-tenant", " t1 "),
        ("x-forwarded-host", "evil.com"),
        ("x-http-method-override", "DELETE"),
        ("accept", "text/evil"),
        ("x-kept", "k"),
        ("traceparent", "t"),
    ];
    send(&front, request("GET", "/users/1", &lines)).await;
    let seen = site.seen.lock().unwrap().pop().unwrap();
    let mut names: Vec<_> = seen.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "traceparent", "x-kept", "x-tenant"]);
    assert_eq!(seen.headers["x-tenant"], "t1");
    assert!(send(&front, request("GET", "/users/1", &[("x-tenant", "t1")])).await.is_hit());
    assert!(!send(&front, request("GET", "/users/1", &[("x-tenant", "t2")])).await.is_hit());
}

#[tokio::test]
async fn unkeyed_query_hidden() {
    let site = Site::numbered(&[]);
    let ignoring = front(users(&cache()).query_ignore(["utm_*"]), &site);
    send(&ignoring, get("/users/1?a=1&utm_x=evil")).await;
    assert_eq!(site.seen.lock().unwrap().pop().unwrap().uri, "/users/1?a=1");
    assert!(send(&ignoring, get("/users/1?utm_y=2&a=1")).await.is_hit());
    assert!(!send(&ignoring, get("/users/1?a=1;utm_y=2")).await.is_hit(), "`&` alone parts");
    let only = front(users(&cache()).query_only(["a"]), &site);
    send(&only, get("/users/1?b=2&a=1")).await;
    assert_eq!(site.seen.lock().unwrap().pop().unwrap().uri, "/users/1?a=1");
    let all = front(users(&cache()), &site);
    send(&all, get("/users/1?a=1&b=2")).await;
    assert!(!send(&all, get("/users/1?b=2&a=1")).await.is_hit(), "raw bytes count");
}

#[tokio::test]
async fn path_is_the_routed_path() {
    let site = Site::numbered(&[]);
    let front_of = front(users(&cache()), &site);
    send(&front_of, get("/users/a")).await;
    for path in ["/users/%61", "/users/A", "/users/a.css"] {
        assert!(!send(&front_of, get(path)).await.is_hit(), "{path}");
    }
    for path in ["/users/a/", "/other", "/users/a/x.css"] {
        let reply = send(&front_of, get(path)).await;
        assert_eq!(reply.cache(), "cachekit; fwd=bypass; detail=unmatched", "{path}");
    }
    let unrouted = front(CacheLayer::builder(&cache()).ttl("9s"), &site);
    assert!(send(&unrouted, get("/x")).await.cache().contains("unmatched"));
    let any = front(CacheLayer::builder(&cache()).ttl("9s").any_path(), &site);
    send(&any, get("/x")).await;
    assert!(send(&any, get("/x")).await.is_hit());
}

#[tokio::test]
async fn host_is_keyed() {
    let site = Site::numbered(&[]);
    let front = front(users(&cache()), &site);
    let ask = |lines: &[(&str, &str)]| {
        let request = lines.iter().fold(Request::get("/users/1"), |r, (n, v)| r.header(*n, *v));
        request.body(Full::default()).unwrap()
    };
    send(&front, ask(&[("host", "A.com:80")])).await;
    assert!(send(&front, ask(&[("host", "a.com")])).await.is_hit());
    assert_eq!(site.seen.lock().unwrap()[0].headers["host"], "a.com");
    assert!(!send(&front, ask(&[("host", "b.com")])).await.is_hit());
    for lines in [&[][..], &[("host", "a.com"), ("host", "a.com")]] {
        assert!(send(&front, ask(lines)).await.cache().contains("detail=host"), "{lines:?}");
    }
    let absolute = Request::get("http://a.com/users/1").header("host", "b.com");
    assert!(send(&front, absolute.body(Full::default()).unwrap()).await.is_hit());
}

#[tokio::test]
async fn fat_get_bypasses() {
    let site = Site::numbered(&[]);
    let front = front(users(&cache()), &site);
    send(&front, get("/users/1")).await;
    let fat = Request::get("/users/1").header("host", "h.com").body(Full::from("x")).unwrap();
    assert_eq!(send(&front, fat).await.cache(), "cachekit; fwd=bypass; detail=body");
    for lines in [&[("content-length", "1")][..], &[("transfer-encoding", "chunked")]] {
        let reply = send(&front, request("GET", "/users/1", lines)).await;
        assert_eq!(reply.cache(), "cachekit; fwd=bypass; detail=body");
    }
    assert!(send(&front, request("GET", "/users/1", &[("content-length", "0")])).await.is_hit());
}

/// A response with these lines is its reader's alone, for that reason.
async fn is_private(lines: &'static [(&'static str, &'static str)], reason: &str) {
    let site = Site::numbered(lines);
    let front = front(users(&cache()), &site);
    for number in ["0", "1", "2"] {
        let reply = send(&front, get("/users/1")).await;
        assert_eq!(reply.text(), number, "{lines:?}");
        assert!(
            reply.cache().ends_with(&format!("detail={reason}")),
            "{lines:?} {}",
            reply.cache()
        );
        for (name, value) in lines {
            assert!(reply.headers.get_all(*name).iter().any(|line| line == value), "{name}");
        }
    }
}

#[tokio::test]
async fn set_cookie_never_shared() {
    is_private(&[("set-cookie", "a=b"), ("cache-control", "public, max-age=60")], "set-cookie")
        .await;
    is_private(&[("set-cookie2", "a=b")], "set-cookie").await;
    let site = Site::new(|_| async {
        let mut response = with(&[("set-cookie", "a=b")], "x");
        response.extensions_mut().insert(Freshness::store("1h"));
        response
    });
    let front = front(users(&cache()), &site);
    send(&front, get("/users/1")).await;
    assert!(!send(&front, get("/users/1")).await.is_hit(), "whatever the handler says");
}

#[tokio::test]
async fn cors_reflection_refused() {
    is_private(&[("access-control-allow-origin", "https://a.com")], "cors").await;
    let site = Site::numbered(&[("access-control-allow-origin", "https://a.com")]);
    let front = front(users(&cache()).vary(["origin"]), &site);
    let ask = |origin| request("GET", "/users/1", &[("origin", origin)]);
    send(&front, ask("https://a.com")).await;
    assert!(send(&front, ask("https://a.com")).await.is_hit());
    assert!(!send(&front, ask("https://b.com")).await.is_hit());
}

#[tokio::test]
async fn csp_nonce_refused() {
    is_private(&[("content-security-policy", "script-src 'nonce-a'")], "csp-nonce").await;
    is_private(&[("content-security-policy-report-only", "x 'Nonce-a'")], "csp-nonce").await;
}

#[tokio::test]
async fn connection_cannot_hide_headers() {
    is_private(&[("connection", "set-cookie"), ("set-cookie", "a=b")], "set-cookie").await;
    is_private(&[("connection", "cache-control"), ("cache-control", "private")], "private").await;
    is_private(&[("connection", "vary"), ("vary", "x-a")], "vary").await;
    let site = Site::numbered(&[("connection", "x-hop, close"), ("x-hop", "1"), ("x-end", "2")]);
    let front = front(users(&cache()), &site);
    send(&front, get("/users/1")).await;
    let hit = send(&front, get("/users/1")).await;
    assert!(hit.is_hit());
    assert_eq!((hit.line("x-end"), hit.line("x-hop"), hit.line("connection")), ("2", "", ""));
}

#[tokio::test]
async fn errors_are_not_poison() {
    for status in [400_u16, 401, 403, 407, 408, 413, 414, 421, 425, 429, 431, 500, 502, 503] {
        let site = Site::new(move |_| async move {
            replies::answer(
                status,
                &[("cache-control", "public, s-maxage=60, must-understand")],
                "no",
            )
        });
        let front = front(users(&cache()), &site);
        for calls in 1..3 {
            let reply = send(&front, get("/users/1")).await;
            assert_eq!((reply.status.as_u16(), reply.text()), (status, "no"));
            assert_eq!(site.calls(), calls, "{status}");
        }
    }
}

#[tokio::test]
async fn entry_is_untrusted() {
    let server = RedisServer::start();
    let local = LocalTier::by_ttl_only(Duration::from_secs(60));
    let [far, near] = [Cache::builder(), Cache::builder().local(local)].map(|b| b.namespace("s"));
    let [far, near] =
        [far.redis(&server.url()).await.unwrap(), near.redis(&server.url()).await.unwrap()];
    let site = Site::numbered(&[]);
    let front = replies::front(users(&far.build().unwrap()), &site);
    // Of one group: what an invalidation drops tells them apart no more.
    let paths = ["/users/1", "/users/1?page=2"];
    for path in paths {
        send(&front, get(path)).await;
    }
    // One page's entry under another one's key: well-formed, and nobody's here.
    let swap = "local k = {} for _, v in ipairs(redis.call('KEYS', '*~r:*')) do k[#k + 1] = v end \
                local a = redis.call('GET', k[1]) local b = redis.call('GET', k[2]) \
                redis.call('SET', k[1], b) redis.call('SET', k[2], a) return #k";
    let swapped = format!("{:?}", server.connection().call(&["EVAL", swap, "0"]));
    assert_eq!(swapped, "Int(2)");
    // In Redis, and then in the process that has read it there.
    let other = replies::front(users(&near.build().unwrap()), &site);
    for _ in 0..10 {
        let look = request("GET", "/users/1", &[("cache-control", "only-if-cached")]);
        assert_eq!(send(&other, look).await.status, 504);
    }
    for path in paths {
        let reply = send(&front, get(path)).await;
        assert!(!reply.is_hit(), "{path}");
        assert!(["2", "3"].contains(&reply.text()), "{path}");
    }
}

/// A middleware may name the tenant in the URI, by a header that is hidden from the handler.
#[cfg(feature = "axum")]
#[tokio::test]
async fn a_uri_that_was_rewritten_outside_is_in_the_identity() {
    use axum::extract::OriginalUri;

    let site =
        Site::new(|request: replies::Seen| async move { with(&[], request.uri().to_string()) });
    let layer = CacheLayer::builder(&cache()).any_path().ttl("60s").query_ignore(["utm_*"]);
    let front = front(layer, &site);
    let ask = |path: &str| {
        let mut request = get(path);
        request.extensions_mut().insert(OriginalUri("/api/users/1?page=2".parse().unwrap()));
        request
    };
    // Written anew; the tail of what came, as a router leaves it, and a shorter one; another query.
    for path in [
        "/a/users/1?page=2",
        "/b/users/1?page=2",
        "/users/1?page=2",
        "/1?page=2",
        "/users/1?t=a",
        "/users/1?t=b",
    ] {
        assert_eq!(send(&front, ask(path)).await.text(), path);
        let hit = send(&front, ask(&format!("{path}&utm_a=b"))).await;
        assert!(hit.is_hit(), "{path}: {}", hit.cache());
        assert_eq!(hit.text(), path);
    }
}
