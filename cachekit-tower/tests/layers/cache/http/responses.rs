//! What of a response is stored, and what a request is given of it.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use cachekit_tower::{CacheLayer, Freshness, cache::RequestDirectives};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::BodyExt as _;

use crate::kit::poll_once;
use crate::replies::{
    Seen, Site, answer, cache, front, get, request, send, try_send, user, users, with,
};

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

/// Neither for a run nor to wait for one: that takes 14 KB.
#[tokio::test]
async fn a_hit_gets_ready_for_nothing() {
    let front = front(users(&cache()), &Site::numbered(&[]));
    send(&front, get("/users/1")).await;
    let request = get("/users/1");
    let hit = allocation_counter::measure(|| {
        assert!(poll_once(pin!(try_send(&front, request))).is_ready());
    });
    assert!(hit.bytes_total < 6 << 10, "{hit:?}");
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

#[tokio::test]
async fn who_asks_for_a_new_response_is_given_one() {
    let site = Site::numbered(&[]);
    let layer = users(&cache()).request_directives(RequestDirectives::Honor);
    let front = front(layer, &site);
    let anew = || request("GET", "/users/1", &[("cache-control", "no-cache")]);
    assert_eq!(send(&front, get("/users/1")).await.text(), "0");
    for number in ["1", "2"] {
        let reply = send(&front, anew()).await;
        assert_eq!(reply.cache(), "cachekit; fwd=request; fwd-status=200; stored");
        assert_eq!(reply.text(), number);
        let hit = send(&front, get("/users/1")).await;
        assert_eq!((hit.is_hit(), hit.text()), (true, number));
    }
}

/// What was stored before is still there.
#[tokio::test]
async fn what_has_become_private_is_nobody_s_hit() {
    let cache = cache();
    let is_private = Arc::new(AtomicBool::new(false));
    let told = is_private.clone();
    let site = Site::new(move |_| {
        let is_private = told.load(SeqCst);
        async move { with(&[("cache-control", ["public", "private"][usize::from(is_private)])], "x") }
    });
    let layer = users(&cache).request_directives(RequestDirectives::Honor);
    let front = front(layer, &site);
    send(&front, get("/users/1")).await;
    assert!(send(&front, get("/users/1")).await.is_hit());
    is_private.store(true, SeqCst);
    send(&front, request("GET", "/users/1", &[("cache-control", "no-cache")])).await;
    for calls in 3..5 {
        assert!(!send(&front, get("/users/1")).await.is_hit());
        assert_eq!(site.calls(), calls);
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
    let site = Site::new(|request: Seen| async move {
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
    let site = Site::new(|request: Seen| async move {
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

#[tokio::test]
async fn cache_status_says_what_has_become_too_old() {
    let site = Site::numbered(&[]);
    let layer = CacheLayer::builder(&cache()).path("/users/{id}").key("user:<id>").ttl("100ms");
    let front = front(layer, &site);
    send(&front, get("/users/1")).await;
    for _ in 0..2 {
        // By the clock on the wall, which stands still for nobody.
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert!(send(&front, get("/users/1")).await.cache().contains("fwd=stale"));
    }
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
