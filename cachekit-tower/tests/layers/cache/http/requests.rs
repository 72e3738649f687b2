//! Requests that ask for a part, or under conditions.

use http::{Method, StatusCode};

use crate::replies::{Seen, Site, answer, cache, front, get, request, send, users, with};

#[tokio::test]
async fn head_from_get() {
    let site = Site::new(|request: Seen| async move {
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
    let site = Site::new(|request: Seen| async move {
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
async fn only_if_cached_is_honoured() {
    let site = Site::numbered(&[]);
    let front = front(users(&cache()), &site);
    let ask = || request("GET", "/users/1", &[("cache-control", "only-if-cached")]);
    let refused = send(&front, ask()).await;
    assert_eq!((refused.status.as_u16(), site.calls()), (504, 0));
    let lines = [("cache-control", "only-if-cached"), ("content-type", "application/grpc")];
    let refused = send(&front, request("GET", "/users/1", &lines)).await;
    assert_eq!((refused.status.as_u16(), site.calls()), (504, 0), "it is no call of gRPC's");
    send(&front, get("/users/1")).await;
    assert!(send(&front, ask()).await.is_hit());
}
