//! The cache layer for HTTP, in one process.

#![allow(clippy::unwrap_used)]

#[path = "../replies/mod.rs"]
mod replies;
mod writes;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use cachekit_core::testing;
use cachekit_tower::{CacheLayer, Freshness};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use proptest::prelude::*;
use replies::{
    Reply, Site, answer, at_once, cache, front, get, request, send, try_send, until, user, users,
    with,
};
use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceExt as _};

#[tokio::test]
async fn a_miss_is_stored_and_the_next_one_is_a_hit() {
    let site = Site::numbered(&[("content-type", "text/plain")]);
    let front = front(users(&cache()), &site);
    let miss = send(&front, get("/users/1")).await;
    assert_eq!(miss.cache(), "cachekit; fwd=uri-miss; fwd-status=200; stored");
    let hit = send(&front, get("/users/1")).await;
    assert!(hit.cache().starts_with("cachekit; hit; ttl="), "{}", hit.cache());
    assert_eq!((hit.text(), hit.line("age"), hit.line("content-length")), ("0", "0", "1"));
    assert_eq!(miss.line("age"), "");
    assert!(hit.line("etag").starts_with("W/\""));
}

#[tokio::test]
async fn whoever_invalidates_the_group_drops_its_responses() {
    let cache = cache();
    let site = Site::numbered(&[]);
    let front = front(users(&cache), &site);
    for path in ["/users/1", "/users/1?page=2", "/users/2"] {
        send(&front, get(path)).await;
    }
    cache.invalidate(user("1")).await;
    assert!(!send(&front, get("/users/1")).await.is_hit());
    assert!(!send(&front, get("/users/1?page=2")).await.is_hit());
    assert!(send(&front, get("/users/2")).await.is_hit());
}

fn handler_lines() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![
        "x-[a-d]",
        Just("link".to_owned()),
        Just("etag".to_owned()),
        Just("vary".to_owned()),
        Just("date".to_owned()),
        Just("content-type".to_owned()),
        Just("warning".to_owned())
    ];
    let value = prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..12);
    prop::collection::vec((name, value), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn hit_equals_miss_bytewise(
        lines in handler_lines(),
        body in prop::collection::vec(any::<u8>(), 0..64),
        status in prop::sample::select(vec![200_u16, 203, 204, 301, 308, 404, 410]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let make = move || {
                let mut response = answer(status, &[], body.clone());
                for (name, value) in &lines {
                    if let (Ok(name), Ok(value)) =
                        (http::HeaderName::try_from(name), HeaderValue::from_bytes(value))
                    {
                        let value = if name == "vary" { HeaderValue::from_static("accept") } else { value };
                        response.headers_mut().append(name, value);
                    }
                }
                response
            };
            let bare = make.clone();
            let site = Site::new(move |_| { let response = make(); async move { response } });
            let front = front(users(&cache()).vary(["accept"]), &site);
            let strip = |mut reply: Reply| {
                reply.headers.remove("age");
                reply.headers.remove("cache-status");
                reply
            };
            let miss = strip(send(&front, get("/users/1")).await);
            let hit = strip(send(&front, get("/users/1")).await);
            assert_eq!(site.calls(), 1);
            let order = |reply: &Reply| -> Vec<_> {
                reply.headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect()
            };
            assert_eq!(order(&miss), order(&hit));
            assert_eq!(miss, hit);
            // All that the handler said is there, in its order.
            let bare = replies::reply(bare()).await;
            let own: Vec<_> = order(&hit).into_iter().filter(|(n, _)| bare.headers.contains_key(n)).collect();
            assert_eq!(own, order(&bare));
            assert_eq!((hit.status, hit.body), (bare.status, bare.body));
        });
    }

    /// The bare service is the oracle: it answers with all that it depends on. What a request is given through the layer
    /// must be what it is given alone, whatever others asked before.
    #[test]
    fn nobody_is_served_a_response_of_another_identity(
        asked in prop::collection::vec(any_request(), 2..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let site = Site::new(|request: replies::Seen| async move {
                let (parts, _) = request.into_parts();
                let mut told = format!("{} {}", parts.method, parts.uri.path_and_query().unwrap());
                for name in ["authorization", "cookie", "x-api-key", "accept", "x-tenant", "host", "x-evil", "origin"] {
                    let lines = parts.headers.get_all(name).iter().map(|line| line.to_str().unwrap().trim());
                    let text = lines.collect::<Vec<_>>().join(", ");
                    told.push_str(&format!("|{name}={text}"));
                }
                with(&[("cache-control", "public, max-age=60")], told)
            });
            let layer = CacheLayer::builder(&cache()).any_path().ttl("60s").vary(["accept", "x-tenant"]);
            let front = front(layer, &site);
            for (number, asked) in asked.iter().enumerate() {
                let reply = send(&front, asked.request()).await;
                let bypassed = reply.cache().contains("fwd=bypass") || reply.cache().contains("fwd=method");
                assert_eq!(reply.text(), asked.expected(bypassed), "{number} {asked:?} {}", reply.cache());
                if asked.has_credentials() {
                    assert!(bypassed, "{asked:?}");
                }
            }
        });
    }
}

#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    path: &'static str,
    lines: Vec<(&'static str, &'static str)>,
}

fn any_request() -> impl Strategy<Value = Asked> {
    let line = prop_oneof![
        8 => (prop::sample::select(vec!["accept", "x-tenant", "x-evil", "origin"]), prop::sample::select(vec!["a", "b", " a"])),
        2 => (prop::sample::select(vec!["authorization", "cookie", "x-api-key"]), prop::sample::select(vec!["u1", "u2"])),
    ];
    let host = prop::sample::select(vec!["a.com", "b.com"]);
    let path = prop::sample::select(vec!["/x", "/y", "/x?q=1", "/x?q=2", "/%78"]);
    let method = prop::sample::select(vec!["GET", "GET", "GET", "OPTIONS"]);
    (method, path, host, prop::collection::vec(line, 0..4)).prop_map(
        |(method, path, host, lines)| {
            let lines = std::iter::once(("host", host)).chain(lines).collect();
            Asked { method, path, lines }
        },
    )
}

impl Asked {
    fn request(&self) -> http::Request<Full<Bytes>> {
        request(self.method, self.path, &self.lines)
    }

    fn has_credentials(&self) -> bool {
        self.lines.iter().any(|(name, _)| ["authorization", "cookie", "x-api-key"].contains(name))
    }

    fn expected(&self, bypassed: bool) -> String {
        let mut told = format!("{} {}", self.method, self.path);
        for name in [
            "authorization",
            "cookie",
            "x-api-key",
            "accept",
            "x-tenant",
            "host",
            "x-evil",
            "origin",
        ] {
            let shown = bypassed || ["accept", "x-tenant", "host"].contains(&name);
            let lines = self.lines.iter().filter(|(own, _)| *own == name && shown);
            let text = lines.map(|(_, value)| value.trim()).collect::<Vec<_>>().join(", ");
            told.push_str(&format!("|{name}={text}"));
        }
        told
    }
}

#[tokio::test]
async fn multi_value_headers_survive() {
    let site = Site::numbered(&[("link", "<a>"), ("x-a", "1"), ("link", "<b>"), ("link", "<a>")]);
    let front = front(users(&cache()), &site);
    for _ in 0..2 {
        let reply = send(&front, get("/users/1")).await;
        let links: Vec<_> = reply.headers.get_all("link").iter().collect();
        assert_eq!(links, ["<a>", "<b>", "<a>"]);
    }
}

#[tokio::test]
async fn date_is_kept() {
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let dated = front(users(&cache()), &Site::numbered(&[("date", DATE)]));
    let added = front(users(&cache()), &Site::numbered(&[]));
    for _ in 0..2 {
        assert_eq!(send(&dated, get("/users/1")).await.line("date"), DATE);
    }
    let first = send(&added, get("/users/1")).await.line("date").to_owned();
    assert!(first.ends_with("GMT"));
    assert_eq!(send(&added, get("/users/1")).await.line("date"), first);
}

#[tokio::test]
async fn head_from_get() {
    let site = Site::new(|request: replies::Seen| async move {
        let is_head = request.method() == Method::HEAD;
        with(&[("x-a", "1")], if is_head { "" } else { "hello" })
    });
    let front = front(users(&cache()), &site);
    let passed = send(&front, request("HEAD", "/users/1", &[])).await;
    assert_eq!((passed.text(), site.calls()), ("", 1));
    assert_eq!(site.seen.lock().unwrap()[0].method, Method::HEAD);
    let got = send(&front, get("/users/1")).await;
    assert_eq!((got.text(), site.calls()), ("hello", 2), "a HEAD is not stored");
    let head = send(&front, request("HEAD", "/users/1", &[])).await;
    assert_eq!((head.text(), head.line("content-length"), head.line("x-a")), ("", "5", "1"));
    assert_eq!((head.is_hit(), site.calls()), (true, 2));
}

#[tokio::test]
async fn range_passes() {
    let site = Site::new(|request: replies::Seen| async move {
        match request.headers().get("range") {
            Some(_) => answer(206, &[("content-range", "bytes 0-0/5")], "h"),
            None => with(&[], "hello"),
        }
    });
    let front = front(users(&cache()), &site);
    for _ in 0..2 {
        let part = send(&front, request("GET", "/users/1", &[("range", "bytes=0-0")])).await;
        assert_eq!((part.status.as_u16(), part.text()), (206, "h"));
        assert_eq!(part.cache(), "cachekit; fwd=bypass; detail=range");
    }
    assert_eq!(send(&front, get("/users/1")).await.text(), "hello");
}

#[tokio::test]
async fn if_none_match_precedence() {
    let site = Site::numbered(&[
        ("etag", "\"a\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("vary", "accept"),
        ("x-a", "1"),
    ]);
    let front = front(users(&cache()).vary(["accept"]), &site);
    let since = ("if-modified-since", "Mon, 07 Nov 1994 08:49:37 GMT");
    for lines in
        [&[("if-none-match", "W/\"a\"")][..], &[since], &[("if-none-match", "\"b\", \"a\""), since]]
    {
        let reply = send(&front, request("GET", "/users/1", lines)).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (304, ""), "{lines:?}");
        assert_eq!(
            (reply.line("etag"), reply.line("vary"), reply.line("x-a")),
            ("\"a\"", "accept", "")
        );
        assert_eq!(reply.line("content-length"), "");
        assert!(!reply.line("date").is_empty() && !reply.cache().is_empty());
    }
    let other =
        send(&front, request("GET", "/users/1", &[("if-none-match", "\"b\""), since])).await;
    assert_eq!((other.status.as_u16(), other.text()), (200, "0"));
}

#[tokio::test]
async fn miss_strips_conditionals() {
    let site = Site::numbered(&[("etag", "\"a\"")]);
    let front = front(users(&cache()), &site);
    let reply = send(&front, request("GET", "/users/1", &[("if-none-match", "\"a\"")])).await;
    assert_eq!(reply.status, StatusCode::NOT_MODIFIED);
    assert!(site.seen.lock().unwrap()[0].headers.get("if-none-match").is_none());
    assert_eq!(send(&front, get("/users/1")).await.text(), "0", "the whole was stored");
}

#[tokio::test]
async fn undeclared_vary_not_stored() {
    for vary in ["accept-encoding", "*", "accept, origin"] {
        let site = Site::new(move |_| async move { with(&[("vary", vary)], "x") });
        let front = front(users(&cache()).vary(["accept"]), &site);
        for calls in 1..3 {
            let reply = send(&front, get("/users/1")).await;
            assert!(reply.cache().ends_with("detail=vary"), "{}", reply.cache());
            assert_eq!(site.calls(), calls);
        }
    }
}

#[tokio::test]
async fn declared_vary_two_variants_one_invalidation() {
    let cache = cache();
    let site = Site::new(|request: replies::Seen| async move {
        let encoding = request.headers()["accept-encoding"].to_str().unwrap().to_owned();
        with(&[("vary", "accept-encoding")], encoding)
    });
    let front = front(users(&cache).vary(["accept-encoding"]), &site);
    let ask = |encoding| request("GET", "/users/1", &[("accept-encoding", encoding)]);
    assert_eq!(send(&front, ask("gzip, deflate")).await.text(), "gzip");
    assert_eq!(send(&front, ask("br;q=0.9, gzip")).await.text(), "br");
    assert!(send(&front, ask("gzip")).await.is_hit());
    assert!(send(&front, ask("br")).await.is_hit());
    cache.invalidate(user("1")).await;
    assert!(!send(&front, ask("gzip")).await.is_hit());
    assert!(!send(&front, ask("br")).await.is_hit());
}

#[tokio::test]
async fn negative_cleared_by_insert() {
    let cache = cache();
    let there = Arc::new(AtomicBool::new(false));
    let is_there = there.clone();
    let site = Site::new(move |_| {
        let status = if is_there.load(SeqCst) { 200 } else { 404 };
        async move { answer(status, &[], "x") }
    });
    let front = front(users(&cache), &site);
    assert_eq!(send(&front, get("/users/1")).await.status, 404);
    let hit = send(&front, get("/users/1")).await;
    assert!(hit.is_hit() && hit.status == 404);
    there.store(true, SeqCst);
    cache.invalidate(user("1")).await;
    assert_eq!(send(&front, get("/users/1")).await.status, 200);
}

#[tokio::test]
async fn unsafe_method_invalidates_all_variants() {
    for (status, dropped) in [(200_u16, true), (303, true), (500, true), (404, false), (400, false)]
    {
        let site = Site::new(move |request: replies::Seen| async move {
            answer(if request.method() == Method::PUT { status } else { 200 }, &[], "x")
        });
        let front = front(users(&cache()).vary(["accept"]), &site);
        let ask = |accept| request("GET", "/users/1", &[("accept", accept)]);
        for accept in ["a", "b"] {
            send(&front, ask(accept)).await;
        }
        let put = send(&front, request("PUT", "/users/1", &[("authorization", "me")])).await;
        assert_eq!((put.status.as_u16(), put.cache()), (status, "cachekit; fwd=method"));
        for accept in ["a", "b"] {
            assert_eq!(!send(&front, ask(accept)).await.is_hit(), dropped, "{status}");
        }
    }
    let site = Site::fallible(|request: replies::Seen| async move {
        if request.method() == Method::PUT { Err("lost".into()) } else { Ok(with(&[], "x")) }
    });
    let front = front(users(&cache()), &site);
    send(&front, get("/users/1")).await;
    assert!(try_send(&front, request("PUT", "/users/1", &[])).await.is_err());
    assert!(!send(&front, get("/users/1")).await.is_hit(), "it may have written");
}

#[tokio::test]
async fn a_write_whose_client_has_gone_is_finished_and_invalidates() {
    let gate = Arc::new(Semaphore::new(0));
    let wait = gate.clone();
    let site = Site::new(move |request: replies::Seen| {
        let wait = wait.clone();
        async move {
            if request.method() == Method::PUT {
                wait.acquire().await.unwrap().forget();
            }
            with(&[], "x")
        }
    });
    let cache = cache();
    let front = front(users(&cache), &site);
    send(&front, get("/users/1")).await;
    {
        let mut put = Box::pin(try_send(&front, request("PUT", "/users/1", &[])));
        assert!(futures_once(put.as_mut()).await.is_none());
    }
    gate.add_permits(1);
    cache.shutdown().await.unwrap();
    assert!(!send(&front, get("/users/1")).await.is_hit());
}

/// What a future gives when it is polled once.
async fn futures_once<F: Future + ?Sized>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn body_error_not_stored() {
    let site = Site::new(|_| async {
        let mut response = with(&[], "part");
        response.body_mut().0.push_back(Err("broken".into()));
        response
    });
    let front = front(users(&cache()), &site);
    for calls in 1..3 {
        let response = try_send(&front, get("/users/1")).await.unwrap();
        let mut body = response.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "part");
        assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "broken");
        assert_eq!(site.calls(), calls);
    }
}

#[tokio::test]
async fn short_body_not_stored() {
    let site = Site::numbered(&[("content-length", "9")]);
    let front = front(users(&cache()), &site);
    for number in ["0", "1"] {
        let reply = send(&front, get("/users/1")).await;
        assert_eq!((reply.text(), reply.line("content-length")), (number, "9"));
        assert!(reply.cache().ends_with("detail=wrong-length"), "{}", reply.cache());
    }
}

/// A handler that waits, and the gate it waits at.
fn gated(lines: &'static [(&'static str, &'static str)]) -> (Site, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (wait, number) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let site = Site::new(move |_| {
        let (wait, number) = (wait.clone(), number.fetch_add(1, SeqCst));
        async move {
            wait.acquire().await.unwrap().forget();
            with(lines, number.to_string())
        }
    });
    (site, gate)
}

#[tokio::test]
async fn uncacheable_does_not_serialise() {
    let (site, gate) = gated(&[("cache-control", "private")]);
    let front = front(users(&cache()), &site);
    let all = {
        let front = front.clone();
        tokio::spawn(async move { at_once(&front, 20, || get("/users/1")).await })
    };
    until("the first one runs", || site.calls() == 1).await;
    gate.add_permits(1);
    // None of them waits for another one's end.
    until("all run at once", || site.calls() == 20).await;
    gate.add_permits(100);
    let mut numbers: Vec<usize> =
        all.await.unwrap().iter().map(|r| r.text().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>(), "each its own");
    // Those that come later do not wait either.
    let (site_2, front_2) = (site.clone(), front.clone());
    gate.forget_permits(100);
    let later = tokio::spawn(async move { at_once(&front_2, 5, || get("/users/1")).await });
    until("all of them run", || site_2.calls() == 25).await;
    gate.add_permits(5);
    later.await.unwrap();
}

#[tokio::test]
async fn zero_lifetime_shared_not_stored() {
    let (site, gate) = gated(&[("cache-control", "max-age=0")]);
    let front = front(users(&cache()), &site);
    let all = {
        let front = front.clone();
        tokio::spawn(async move { at_once(&front, 50, || get("/users/1")).await })
    };
    until("one runs", || site.calls() == 1).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    assert!(all.await.unwrap().iter().all(|reply| reply.text() == "0"));
    gate.add_permits(1);
    assert_eq!(send(&front, get("/users/1")).await.text(), "1");
}

#[tokio::test]
async fn tagged_fill_race_not_shared() {
    let cache = cache();
    let (site, gate) = gated(&[]);
    let front = front(users(&cache), &site);
    let spawn = || {
        let front = front.clone();
        tokio::spawn(async move { send(&front, get("/users/1")).await })
    };
    let early = spawn();
    until("it runs", || site.calls() == 1).await;
    cache.invalidate(user("1")).await;
    let late = spawn();
    tokio::task::yield_now().await;
    gate.add_permits(2);
    assert_eq!(early.await.unwrap().text(), "0");
    assert_eq!(late.await.unwrap().text(), "1", "it came after the write");
    assert_eq!(send(&front, get("/users/1")).await.text(), "1");
}

#[tokio::test]
async fn starter_disconnect_does_not_restart() {
    let (site, gate) = gated(&[]);
    let front = front(users(&cache()), &site);
    let mut first = Box::pin(try_send(&front, get("/users/1")));
    assert!(futures_once(first.as_mut()).await.is_none());
    let others = {
        let front = front.clone();
        tokio::spawn(async move { at_once(&front, 5, || get("/users/1")).await })
    };
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    drop(first);
    gate.add_permits(1);
    assert!(others.await.unwrap().iter().all(|reply| reply.text() == "0"));
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn last_member_gone_cancels_run() {
    struct Told(Arc<AtomicBool>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let told = dropped.clone();
    let site = Site::new(move |_| {
        let told = Told(told.clone());
        async move {
            let _told = told;
            std::future::pending::<()>().await;
            with(&[], "x")
        }
    });
    let front = front(users(&cache()), &site);
    let mut first = Box::pin(try_send(&front, get("/users/1")));
    let mut second = Box::pin(try_send(&front, get("/users/1")));
    assert!(futures_once(first.as_mut()).await.is_none());
    assert!(futures_once(second.as_mut()).await.is_none());
    drop(first);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(!dropped.load(SeqCst));
    drop(second);
    until("the run is dropped", || dropped.load(SeqCst)).await;
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn swr_serves_then_refreshes_once() {
    let (clock, builder) = testing::clock();
    let cache = builder.build().unwrap();
    let site = Site::numbered(&[("cache-control", "max-age=10, stale-while-revalidate=60")]);
    let front = front(users(&cache), &site);
    send(&front, get("/users/1")).await;
    clock.advance(Duration::from_secs(20));
    let replies = at_once(&front, 20, || get("/users/1")).await;
    assert!(replies.iter().all(|reply| reply.is_hit()), "nobody waits");
    assert!(replies[0].cache().ends_with("detail=stale"), "{}", replies[0].cache());
    until("it is refreshed", || site.calls() == 2).await;
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while send(&front, get("/users/1")).await.text() != "1" {
        assert!(std::time::Instant::now() < end);
    }
    assert_eq!(site.calls(), 2);
}

/// A handler that fails from its second call on.
fn failing_later(lines: &'static [(&'static str, &'static str)]) -> Site {
    let number = Arc::new(AtomicUsize::new(0));
    Site::new(move |_| {
        let number = number.fetch_add(1, SeqCst);
        async move { if number == 0 { with(lines, "good") } else { answer(503, &[], "bad") } }
    })
}

#[tokio::test]
async fn stale_is_better_than_a_failure() {
    let (clock, builder) = testing::clock();
    let cache = builder.build().unwrap();
    let site = failing_later(&[("cache-control", "max-age=10, stale-if-error=60")]);
    let front = front(users(&cache), &site);
    send(&front, get("/users/1")).await;
    clock.advance(Duration::from_secs(20));
    let stale = send(&front, get("/users/1")).await;
    assert_eq!((stale.status.as_u16(), stale.text(), site.calls()), (200, "good", 2));
    assert!(stale.cache().ends_with("detail=stale"));
    cache.invalidate(user("1")).await;
    let failed = send(&front, get("/users/1")).await;
    assert_eq!(
        (failed.status.as_u16(), failed.text()),
        (503, "bad"),
        "what was invalidated is gone"
    );
}

#[tokio::test]
async fn must_revalidate_never_stale() {
    for forbidding in ["must-revalidate", "proxy-revalidate", "s-maxage=10"] {
        let (clock, builder) = testing::clock();
        let cache = builder.build().unwrap();
        let text =
            format!("max-age=10, stale-if-error=60, stale-while-revalidate=60, {forbidding}");
        let text: &'static str = text.leak();
        let lines: &'static [_] = vec![("cache-control", text)].leak();
        let site = failing_later(lines);
        let layer = users(&cache).stale_if_error("1h").stale_while_revalidate("1h");
        let front = front(layer, &site);
        send(&front, get("/users/1")).await;
        assert!(send(&front, get("/users/1")).await.is_hit());
        clock.advance(Duration::from_secs(20));
        assert_eq!(send(&front, get("/users/1")).await.status, 503, "{forbidding}");
    }
}

#[tokio::test]
async fn trailers_of_http_are_shared_and_not_stored() {
    let site = Site::new(|_| async {
        let mut response = with(&[], "x");
        let trailers =
            HeaderMap::from_iter([("x-t".parse().unwrap(), HeaderValue::from_static("1"))]);
        response.body_mut().0.push_back(Ok(Frame::trailers(trailers)));
        response
    });
    let front = front(users(&cache()), &site);
    for calls in 1..3 {
        let reply = send(&front, get("/users/1")).await;
        assert_eq!(reply.trailers.unwrap()["x-t"], "1");
        assert_eq!(site.calls(), calls);
    }
}

#[tokio::test]
async fn a_handler_s_own_word_goes_first() {
    let site = Site::new(|request: replies::Seen| async move {
        let mut response = with(&[("cache-control", "no-store")], "x");
        let word = match request.uri().path() {
            "/users/never" => Freshness::never(),
            _ => Freshness::store("2m"),
        };
        response.extensions_mut().insert(word);
        response
    });
    let front = front(users(&cache()), &site);
    send(&front, get("/users/1")).await;
    assert!(send(&front, get("/users/1")).await.cache().starts_with("cachekit; hit; ttl=1"));
    send(&front, get("/users/never")).await;
    assert!(send(&front, get("/users/never")).await.cache().ends_with("detail=freshness"));
}

#[tokio::test]
async fn only_if_cached_is_honoured() {
    let site = Site::numbered(&[]);
    let front = front(users(&cache()), &site);
    let ask = || request("GET", "/users/1", &[("cache-control", "only-if-cached")]);
    let refused = send(&front, ask()).await;
    assert_eq!((refused.status.as_u16(), site.calls()), (504, 0));
    send(&front, get("/users/1")).await;
    assert!(send(&front, ask()).await.is_hit());
}

#[tokio::test]
async fn concurrency_limit_permit_released_on_hit() {
    let site = Site::numbered(&[]);
    let limited = tower::limit::ConcurrencyLimit::new(site.clone(), 1);
    let layer = users(&cache()).build().unwrap();
    let service = layer.layer(limited);
    let mut kept = Vec::new();
    for _ in 0..5 {
        let mut ready = service.clone();
        let response = ready.ready().await.unwrap();
        // The response is held while the next one is asked for.
        let response = tower::Service::call(response, get("/users/1")).await.unwrap();
        kept.push(response);
    }
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn errors_of_the_service_are_its_own_and_shared_with_nobody() {
    let number = Arc::new(AtomicUsize::new(0));
    let site = Site::fallible(move |_| {
        let number = number.fetch_add(1, SeqCst);
        async move { Err(format!("error {number}").into()) }
    });
    let front = front(users(&cache()), &site);
    for number in 0..3 {
        let error = try_send(&front, get("/users/1")).await.err().unwrap();
        assert_eq!(error.to_string(), format!("error {number}"));
    }
}

#[tokio::test]
#[should_panic(expected = "the handler's own")]
async fn a_panic_reaches_its_caller() {
    let site = Site::new(|_| async { panic!("the handler's own") });
    let front = front(users(&cache()), &site);
    send(&front, get("/users/1")).await;
}

#[test]
fn all_mistakes_are_told_at_once() {
    let wrong = CacheLayer::builder(&cache())
        .name("a b")
        .key("<id>")
        .ttl("soon")
        .vary(["bad name", "cookie"])
        .per_credential()
        .share_across_users()
        .identity_secret("short")
        .build()
        .unwrap_err();
    assert_eq!(wrong.mistakes().count(), 7, "{wrong}");
    let none = CacheLayer::builder(&cache()).build().unwrap_err();
    assert!(none.to_string().contains("ttl_from_response"), "{none}");
}

#[tokio::test]
async fn a_body_that_streams_is_given_as_it_comes() {
    let site =
        Site::new(|_| async { with(&[("content-type", "text/event-stream")], "data: 1\n\n") });
    let front = front(users(&cache()), &site);
    let reply = send(&front, get("/users/1")).await;
    assert_eq!(
        (reply.text(), reply.cache()),
        ("data: 1\n\n", "cachekit; fwd=uri-miss; fwd-status=200; detail=streamed",)
    );
}

#[tokio::test]
async fn cache_status_says_why_it_is_missing() {
    let cache = cache();
    let site = Site::numbered(&[]);
    let front = front(users(&cache).vary(["accept"]), &site);
    let ask = |accept| request("GET", "/users/1", &[("accept", accept)]);
    assert!(send(&front, ask("a")).await.cache().contains("fwd=uri-miss"));
    assert!(send(&front, ask("b")).await.cache().contains("fwd=vary-miss"));
    cache.invalidate(user("1")).await;
    assert!(send(&front, ask("b")).await.cache().contains("fwd=uri-miss"));
}
