//! Which requests are alike, and which take no part.

use cachekit_tower::{Principal, SingleflightLayer};
use http::Request;
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _};

use super::{
    Desk, Wrapped,
    kit::{Whole, body, get, probe, settle, text},
    running, send, told,
};

/// Whether two of these requests at once share a run.
async fn shares(layer: SingleflightLayer, requests: [Request<Whole>; 2]) -> bool {
    let desk = Desk::new();
    let at = desk.clone();
    let service = layer.layer(probe(move |_: Request<Wrapped>| at.serve()));
    let answers = requests.map(|request| send(&service, request));
    settle().await;
    let calls = desk.calls();
    desk.release(2);
    for answer in answers {
        told(answer).await;
    }
    calls == 1
}

fn with(name: &'static str, value: &'static str) -> Request<Whole> {
    let mut request = get("/1?q=1");
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

#[tokio::test]
async fn requests_that_are_alike_share_and_others_do_not() {
    assert!(shares(running(), [get("/1"), get("/1")]).await);
    assert!(shares(running(), [with("accept", "a"), with("accept", "b")]).await);
    assert!(shares(running(), [with("if-none-match", "a"), with("if-none-match", "b")]).await);
    let pairs = [
        [get("/1"), get("/2")],
        [get("/1?a"), get("/1?b")],
        [get("/1"), get("/1?")],
        [get("/1"), get("/%31")],
        [Request::head("/1").header("host", "h").body(Full::default()).unwrap(), get("/1")],
        [Request::get("/1").header("host", "g").body(Full::default()).unwrap(), get("/1")],
    ];
    for pair in pairs {
        let described = format!("{pair:?}");
        assert!(!shares(running(), pair).await, "{described}");
    }
    for name in ["range", "if-match", "if-unmodified-since", "upgrade", "expect"] {
        assert!(!shares(running(), [with(name, "a"), with(name, "a")]).await, "{name}");
    }
    let post = || Request::post("/1").header("host", "h").body(Whole::default()).unwrap();
    assert!(!shares(running(), [post(), post()]).await);
    let unmatched = SingleflightLayer::running().path("/2").build().unwrap();
    assert!(!shares(unmatched, [get("/1"), get("/1")]).await);
    let missing = SingleflightLayer::running().any_path().key("a:<query.q>").build().unwrap();
    assert!(!shares(missing, [get("/1"), get("/1")]).await);
}

#[tokio::test]
async fn what_describes_a_body_is_told_apart_by_its_name() {
    let query = |lines: &[(&'static str, &'static str)]| {
        let mut request = Request::builder().method("QUERY").uri("/1").header("host", "h");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(Whole::from("body")).unwrap()
    };
    let layer = || {
        let method = http::Method::from_bytes(b"QUERY").unwrap();
        SingleflightLayer::running().any_path().methods([method]).build().unwrap()
    };
    let (kind, coding) = (("content-type", "gzip"), ("content-encoding", "gzip"));
    assert!(shares(layer(), [query(&[kind]), query(&[kind])]).await);
    assert!(!shares(layer(), [query(&[kind]), query(&[coding])]).await);
    assert!(!shares(layer(), [query(&[kind, kind]), query(&[kind, coding])]).await);
}

#[tokio::test]
async fn requests_of_different_keys_do_not_share_whatever_the_keys_are_made_of() {
    let layer = || {
        let of_tenant = |parts: &http::request::Parts| {
            let tenant =
                parts.extensions.get::<&'static str>().ok_or(cachekit_tower::KeyMissing)?;
            Ok(super::item(tenant))
        };
        SingleflightLayer::running().any_path().key_with(of_tenant).build().unwrap()
    };
    let of = |tenant: &'static str| {
        let mut request = get("/1");
        request.extensions_mut().insert(tenant);
        request
    };
    assert!(shares(layer(), [of("a"), of("a")]).await);
    assert!(!shares(layer(), [of("a"), of("b")]).await);
}

#[tokio::test]
async fn a_credential_that_the_application_knows_of_takes_no_part() {
    let layer = || {
        let has_one = |parts: &http::request::Parts| parts.extensions.get::<u8>() == Some(&1);
        SingleflightLayer::running().any_path().credential_when(has_one).build().unwrap()
    };
    let with = |byte: u8| {
        let mut request = get("/1");
        request.extensions_mut().insert(byte);
        request
    };
    assert!(shares(layer(), [with(0), with(0)]).await);
    assert!(!shares(layer(), [with(1), with(1)]).await);
}

#[cfg(feature = "axum")]
#[tokio::test(start_paused = true)]
async fn a_uri_that_was_rewritten_outside_is_in_the_identity() {
    let ask = |path: &str| {
        let mut request = get(path);
        let came = axum::extract::OriginalUri("/api/a".parse().unwrap());
        request.extensions_mut().insert(came);
        request
    };
    assert!(shares(running(), [ask("/a"), ask("/a")]).await);
    assert!(!shares(running(), [ask("/one/a"), ask("/two/a")]).await);
    assert!(!shares(running(), [ask("/a"), ask("/api/a")]).await);
}

#[tokio::test]
async fn credentials_bypass() {
    for name in ["authorization", "cookie", "x-api-key"] {
        assert!(!shares(running(), [with(name, "a"), with(name, "a")]).await, "{name}");
    }
    let per_credential =
        || SingleflightLayer::running().any_path().per_credential().build().unwrap();
    assert!(shares(per_credential(), [with("cookie", "a"), with("cookie", "a")]).await);
    assert!(!shares(per_credential(), [with("cookie", "a"), with("cookie", "b")]).await);
    let across = || SingleflightLayer::running().any_path().share_across_users().build().unwrap();
    assert!(shares(across(), [with("cookie", "a"), with("cookie", "b")]).await);
}

#[tokio::test]
async fn per_principal_is_explicit() {
    let layer = || {
        let builder = SingleflightLayer::running().any_path();
        let builder = builder.per_principal(|parts| parts.extensions.get::<Principal>().cloned());
        builder.build().unwrap()
    };
    let of = |name: &str| {
        let mut request = get("/1");
        request.extensions_mut().insert(Principal::new(name));
        request
    };
    assert!(shares(layer(), [of("a"), of("a")]).await);
    assert!(!shares(layer(), [of("a"), of("b")]).await);
    assert!(!shares(layer(), [get("/1"), get("/1")]).await);
    assert!(!shares(running(), [of("a"), of("a")]).await);
}

#[tokio::test]
async fn fat_get_bypasses() {
    let fat = || Request::get("/1").header("host", "h").body(Full::from("body")).unwrap();
    assert!(!shares(running(), [fat(), fat()]).await);
}

#[tokio::test]
async fn host_is_keyed() {
    let of = |hosts: &[&'static str]| {
        let request = hosts.iter().fold(Request::get("/1"), |r, host| r.header("host", *host));
        request.body(Whole::default()).unwrap()
    };
    assert!(shares(running(), [of(&["H.com"]), of(&["h.com:80"])]).await);
    assert!(!shares(running(), [of(&[]), of(&[])]).await);
    assert!(!shares(running(), [of(&["a", "b"]), of(&["a", "b"])]).await);
}

#[tokio::test]
async fn unkeyed_headers_hidden() {
    let seen = async |layer: SingleflightLayer, request: Request<Whole>| {
        let service = layer.layer(probe(|request: Request<Wrapped>| async move {
            let mut names: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
            names.sort_unstable();
            text(format!("{} {}", names.join(","), request.uri()))
        }));
        body(service.oneshot(request).await.unwrap()).await
    };
    let request = || {
        let mut request = get("/1?utm_a=1&b=2");
        for name in ["x-forwarded-host", "accept", "traceparent", "x-http-method-override"] {
            request.headers_mut().insert(name, "v".parse().unwrap());
        }
        request
    };
    for builder in [SingleflightLayer::running(), SingleflightLayer::new()] {
        let layer = || builder.clone().any_path();
        let plain = || layer().build().unwrap();
        assert_eq!(seen(plain(), request()).await, "host,traceparent /1?utm_a=1&b=2");
        let keyed = layer().vary(["accept"]).query_ignore(["utm_*"]).build().unwrap();
        assert_eq!(seen(keyed, request()).await, "accept,host,traceparent /1?b=2");
        // What is passed by is not touched.
        let mut passed = request();
        passed.headers_mut().insert("cookie", "c".parse().unwrap());
        let all = "accept,cookie,host,traceparent,x-forwarded-host,x-http-method-override";
        assert_eq!(seen(plain(), passed).await, format!("{all} /1?utm_a=1&b=2"));
    }
}

#[tokio::test]
async fn what_is_too_long_is_streamed_to_its_starter() {
    for builder in [SingleflightLayer::running(), SingleflightLayer::new()] {
        too_long_is_streamed(builder.any_path().max_body(8).build().unwrap()).await;
    }
}

async fn too_long_is_streamed(layer: SingleflightLayer) {
    let desk = Desk::new();
    let at = desk.clone();
    let service = layer.layer(probe(move |_: Request<Wrapped>| {
        let answer = at.serve();
        async move {
            let number = body(answer.await).await;
            text([&b"a long text "[..], &number].concat())
        }
    }));
    let answers = [send(&service, get("/1")), send(&service, get("/1"))];
    settle().await;
    desk.release(2);
    let [one, two] = answers.map(told);
    assert_eq!((one.await, two.await), ("a long text 1".into(), "a long text 2".into()));
}
