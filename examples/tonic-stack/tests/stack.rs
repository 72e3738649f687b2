//! The service as its clients see it: tonic's own, and a Python one that knows bytes alone.

mod service;

use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use cachekit_test_support::{RedisServer, wait_until};
use http_body_util::{BodyExt as _, Full};
use service::{Pb, Service};
use tonic::{Code, Request, body::Body, transport::Channel};
use tower::{Service as _, ServiceExt as _};

use crate::service::pb::{
    GetUserRequest, PayRequest, RenameRequest, SalesRequest, User, orders_client::OrdersClient,
    reports_client::ReportsClient, users_client::UsersClient,
};

fn ada() -> User {
    User { id: 1, name: "Ada".to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_at_once_are_one_call() {
    let service = Service::start(&[("WORK_MS", "500")]);
    let mut calls = Vec::new();
    for _ in 0..10 {
        let channel = service.channel().await;
        for _ in 0..50 {
            let mut users = UsersClient::new(channel.clone());
            calls.push(tokio::spawn(async move { users.get_user(GetUserRequest { id: 1 }).await }));
        }
    }
    for call in calls {
        assert_eq!(call.await.expect("a task").expect("a user").into_inner(), ada());
    }
    assert_eq!(service.calls("get_user"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_ask_for_a_report_at_once_share_it_and_it_is_not_kept() {
    let service = Service::start(&[("WORK_MS", "700")]);
    let channel = service.channel().await;
    let ask = || {
        let mut reports = ReportsClient::new(channel.clone());
        tokio::spawn(async move { reports.sales(SalesRequest { from_cents: 3000 }).await })
    };
    let mut before = 0;
    for _ in 0..2 {
        let asked: Vec<_> = (0..50).map(|_| ask()).collect();
        for asked in asked {
            let report = asked.await.expect("a task").expect("a report").into_inner();
            assert_eq!((report.orders, report.cents), (1, 4900));
        }
        // The first one's, and that of all who came when it had begun.
        let calls = service.calls("sales");
        assert!((1..=2).contains(&(calls - before)), "{calls} after {before}");
        before = calls;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_write_sees_it_and_tokens_never_share() {
    let service = Service::start(&[("WORK_MS", "0")]);
    let mut users = UsersClient::new(service.channel().await);
    let ask = async |users: &mut UsersClient<Channel>, token: Option<&'static str>| {
        let mut request = Request::new(GetUserRequest { id: 1 });
        if let Some(token) = token {
            let line = format!("Bearer {token}").parse().expect("it is text");
            request.metadata_mut().insert("authorization", line);
        }
        users.get_user(request).await.map(|user| user.into_inner().name)
    };
    for _ in 0..2 {
        for who in [None, Some("ada-token"), Some("alan-token")] {
            assert_eq!(ask(&mut users, who).await.expect("a user"), "Ada");
        }
    }
    assert_eq!(service.calls("get_user"), 3, "an entry for each, and each used");
    let refused = ask(&mut users, Some("wrong")).await.expect_err("nobody's");
    assert_eq!(refused.code(), Code::Unauthenticated);

    users.rename(RenameRequest { id: 1, name: "Grace".to_owned() }).await.expect("it is renamed");
    for who in [None, Some("ada-token"), Some("alan-token")] {
        assert_eq!(ask(&mut users, who).await.expect("a user"), "Grace");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_an_order_is_paid_is_told_when_to_come_again() {
    let service = Service::start(&[("WORK_MS", "1500")]);
    let mut orders = OrdersClient::new(service.channel().await);
    let mut first = orders.clone();
    let first = tokio::spawn(async move { first.pay(PayRequest { id: 1 }).await });
    assert!(wait_until(Duration::from_secs(10), || service.calls("pay") == 1));
    let refused = orders.pay(PayRequest { id: 1 }).await.expect_err("it is being paid");
    assert_eq!(refused.code(), Code::Aborted);
    let pushback = refused.metadata().get("grpc-retry-pushback-ms").expect("when");
    let pushback: u64 = pushback.to_str().expect("text").parse().expect("milliseconds");
    assert!((1..=31_000).contains(&pushback), "{pushback}");

    let other = orders.pay(PayRequest { id: 2 }).await.expect("another order is another lock");
    assert_eq!(other.into_inner().cents, 4900);
    let first = first.await.expect("a task").expect("it is paid");
    assert_eq!(first.into_inner().cents, 2900);
    let again = orders.pay(PayRequest { id: 1 }).await.expect_err("it is paid");
    assert_eq!(again.code(), Code::FailedPrecondition);
}

/// All that a call was answered, but for the number of the request and the time.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    head: Vec<(String, String)>,
    frames: Bytes,
    trailers: Vec<(String, String)>,
}

fn lines(headers: &http::HeaderMap) -> Vec<(String, String)> {
    let other = |name: &str| !["x-request-id", "date"].contains(&name);
    let lines = headers.iter().filter(|(name, _)| other(name.as_str()));
    let mut lines: Vec<_> =
        lines.map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect();
    lines.sort();
    lines
}

async fn call(channel: &mut Channel, method: &str, message: &impl Pb) -> Answer {
    let message = message.encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("it is short"));
    frame.put_slice(&message);
    let request = http::Request::post(method)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(Full::new(frame.freeze())))
        .expect("a request");
    let response =
        channel.ready().await.expect("a channel").call(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body");
    let trailers = body.trailers().map(lines).unwrap_or_default();
    Answer {
        status: head.status.as_u16(),
        head: lines(&head.headers),
        frames: body.to_bytes(),
        trailers,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_as_without_the_layers() {
    let layered = Service::start(&[("WORK_MS", "0")]);
    let bare = Service::start(&[("WORK_MS", "0"), ("BARE", "1")]);
    let mut channels = (layered.channel().await, bare.channel().await);
    // Whom the filter does not know is told in its own words.
    let rename = RenameRequest { id: 7, name: "Nobody".to_owned() };
    for round in 0..3 {
        for (method, id) in
            [("/shop.Users/GetUser", 1), ("/shop.Users/GetUser", 2), ("/shop.Users/Watch", 1)]
        {
            let message = GetUserRequest { id };
            let expected = call(&mut channels.1, method, &message).await;
            assert_eq!(call(&mut channels.0, method, &message).await, expected, "{method} {round}");
            assert!(!expected.trailers.is_empty());
        }
        let expected = call(&mut channels.1, "/shop.Users/Rename", &rename).await;
        assert_eq!(call(&mut channels.0, "/shop.Users/Rename", &rename).await, expected);
        let report = SalesRequest { from_cents: 0 };
        let expected = call(&mut channels.1, "/shop.Reports/Sales", &report).await;
        assert_eq!(call(&mut channels.0, "/shop.Reports/Sales", &report).await, expected);
    }
    assert_eq!((layered.calls("get_user"), bare.calls("get_user")), (2, 6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_given_on_as_it_comes() {
    let service = Service::start(&[("WORK_MS", "700")]);
    let mut users = UsersClient::new(service.channel().await);
    let began = Instant::now();
    let mut stream = users.watch(GetUserRequest { id: 1 }).await.expect("a stream").into_inner();
    let mut came = Vec::new();
    while let Some(user) = stream.message().await.expect("a user") {
        assert_eq!(user, ada());
        came.push(began.elapsed());
    }
    assert_eq!(came.len(), 3);
    let between = came[2] - came[0];
    assert!(between >= Duration::from_millis(1000), "all came together: {came:?}");
    assert_eq!(service.calls("watch"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_nobody_has_ends_at_the_filter() {
    let service = Service::start(&[("WORK_MS", "0")]);
    let mut users = UsersClient::new(service.channel().await);
    // Until the filter is filled the handler is asked.
    for id in 5000_u32..6000 {
        let calls = service.calls("get_user");
        let status = users.get_user(GetUserRequest { id: id.into() }).await.expect_err("nobody");
        assert_eq!(status.code(), Code::NotFound);
        if service.calls("get_user") == calls {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the filter is never asked");
}

#[test]
fn a_client_in_python_sees_the_same() {
    let layered = Service::start(&[("WORK_MS", "0")]);
    let bare = Service::start(&[("WORK_MS", "0"), ("BARE", "1")]);
    // GetUserRequest { id: 1 }, and User { id: 1, name: "Ada" }.
    let (asked, user) = ("0801", "08011203416461");
    let expected = bare.python("/shop.Users/GetUser", asked, &[]);
    assert!(expected.starts_with(&format!("OK\n{user}\n")), "{expected}");
    for _ in 0..2 {
        assert_eq!(layered.python("/shop.Users/GetUser", asked, &[]), expected);
    }
    assert_eq!(layered.calls("get_user"), 1);
    let refused = layered.python("/shop.Users/GetUser", asked, &["authorization=Bearer nobody's"]);
    assert!(refused.starts_with("UNAUTHENTICATED\n"), "{refused}");
    // RenameRequest { id: 1, name: "Bob" }
    let renamed = layered.python("/shop.Users/Rename", "08011203426f62", &[]);
    assert!(renamed.starts_with("OK\n08011203426f62\n"), "{renamed}");
    let read = layered.python("/shop.Users/GetUser", asked, &[]);
    assert!(read.starts_with("OK\n08011203426f62\n"), "{read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_it_over_redis_and_a_signal_ends_them() {
    let redis = RedisServer::start();
    let settings = [("WORK_MS", "0"), ("REDIS_URL", &redis.url())];
    let (first, second) = (Service::start(&settings), Service::start(&settings));
    // The authority is part of what is asked for: the two are one to clients behind one name.
    for service in [&first, &second] {
        let mut users = UsersClient::new(service.channel_as("http://shop.test").await);
        let user = users.get_user(GetUserRequest { id: 1 }).await.expect("a user");
        assert_eq!(user.into_inner(), ada());
    }
    assert_eq!((first.calls("get_user"), second.calls("get_user")), (1, 0));
    for service in [first, second] {
        assert!(service.counter("cachekit_") > 0, "no metrics of the cache");
        assert!(service.interrupt().contains("stopped"));
    }
}
