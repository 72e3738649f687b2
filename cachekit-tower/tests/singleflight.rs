//! The singleflight layer: who shares a run, and what becomes of those who do.

#![allow(clippy::unwrap_used)]

mod kit;

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use cachekit_core::{
    Cache, Key, Outcome, Policy, Scope, SessionBounds, SessionSecrets, Ttl, key::RuntimeTemplate,
};
use cachekit_test_support::RedisServer;
use cachekit_tower::{Body, BoxError, KeyMissing, Principal, SingleflightLayer};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use kit::{Whole, body, get, poll_once, probe, settle, text};
use tokio::{sync::Semaphore, task::JoinHandle, time::Instant};
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _, service_fn};

type Wrapped = Body<Whole>;

/// Where handlers wait until the test lets them go, and what they are counted by.
#[derive(Clone)]
struct Desk(Arc<(AtomicUsize, Semaphore)>);

impl Desk {
    fn new() -> Self {
        Self(Arc::new((AtomicUsize::new(0), Semaphore::new(0))))
    }

    /// Notes a call, and answers with its number once it is let go.
    fn serve(&self) -> impl Future<Output = Response<Whole>> + Send + use<> {
        let number = self.0.0.fetch_add(1, SeqCst) + 1;
        let desk = self.clone();
        async move {
            desk.0.1.acquire().await.unwrap().forget();
            text(number.to_string())
        }
    }

    fn calls(&self) -> usize {
        self.0.0.load(SeqCst)
    }

    fn release(&self, runs: usize) {
        self.0.1.add_permits(runs);
    }
}

fn fresh() -> SingleflightLayer {
    SingleflightLayer::new().any_path().build().unwrap()
}

fn running() -> SingleflightLayer {
    SingleflightLayer::running().any_path().build().unwrap()
}

fn fenced(cache: &Cache) -> SingleflightLayer {
    SingleflightLayer::fenced(cache).path("/{id}").key("item:<id>").build().unwrap()
}

fn item(id: &str) -> Key {
    let template = RuntimeTemplate::parse("item:<id>").unwrap();
    template
        .expand(|_, w| {
            w.str(id);
            Ok::<_, Infallible>(())
        })
        .unwrap()
}

type Answer = JoinHandle<Response<Body<Whole>>>;

/// Sends a request in a task of its own.
fn send<S>(service: &S, request: Request<Whole>) -> Answer
where
    S: Service<Request<Whole>, Response = Response<Body<Whole>>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let service = service.clone();
    tokio::spawn(async move { service.oneshot(request).await.unwrap() })
}

async fn told(answer: Answer) -> Bytes {
    body(answer.await.unwrap()).await
}

// ===== who joins =====

#[tokio::test]
async fn fresh_never_joins_begun_run() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = fresh().layer(probe(move |_: Request<Wrapped>| at.serve()));
    let first = send(&service, get("/1"));
    settle().await;
    let later: Vec<_> = (0..10).map(|_| send(&service, get("/1"))).collect();
    let other = send(&service, get("/2"));
    settle().await;
    // Those who came later wait together, and a bystander does not.
    assert_eq!(desk.calls(), 2);
    desk.release(2);
    assert_eq!((told(first).await, told(other).await), ("1".into(), "2".into()));
    settle().await;
    assert_eq!(desk.calls(), 3);
    desk.release(1);
    for answer in later {
        assert_eq!(told(answer).await, "3");
    }
}

#[tokio::test]
async fn as_many_runs_of_one_identity_as_may() {
    let desk = Desk::new();
    let at = desk.clone();
    let layer = SingleflightLayer::new().any_path().max_parallel(2).build().unwrap();
    let service = layer.layer(probe(move |_: Request<Wrapped>| at.serve()));
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(send(&service, get("/")));
        settle().await;
    }
    assert_eq!(desk.calls(), 2);
    desk.release(3);
    for answer in answers {
        told(answer).await;
    }
    assert_eq!(desk.calls(), 3);
}

#[tokio::test]
async fn fenced_500_one_run() {
    let server = RedisServer::start();
    let embedded = Cache::builder().build().unwrap();
    let redis = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    for cache in [embedded, redis.build().unwrap()] {
        let desk = Desk::new();
        let at = desk.clone();
        let service = fenced(&cache).layer(probe(move |_: Request<Wrapped>| at.serve()));
        let answers: Vec<_> = (0..500).map(|_| send(&service, get("/1"))).collect();
        while desk.calls() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        settle().await;
        desk.release(1);
        for answer in answers {
            assert_eq!(told(answer).await, "1");
        }
        assert_eq!(desk.calls(), 1);
    }
}

#[tokio::test]
async fn fenced_write_between_refuses_late_joiners() {
    let server = RedisServer::start();
    let embedded = Cache::builder().build().unwrap();
    let of_server = async || {
        let builder = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
        builder.build().unwrap()
    };
    // In one process, and over Redis as another process writes.
    for [cache, writer] in [[embedded.clone(), embedded], [of_server().await, of_server().await]] {
        let desk = Desk::new();
        let at = desk.clone();
        let service = fenced(&cache).layer(probe(move |_: Request<Wrapped>| at.serve()));
        let starter = send(&service, get("/1"));
        while desk.calls() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(writer.invalidate(item("1")).await, Outcome::Applied);
        let late: Vec<_> = (0..20).map(|_| send(&service, get("/1"))).collect();
        settle().await;
        assert_eq!(desk.calls(), 1);
        desk.release(1);
        // Its request came before the write had returned.
        assert_eq!(told(starter).await, "1");
        while desk.calls() == 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        settle().await;
        desk.release(1);
        for answer in late {
            assert_eq!(told(answer).await, "2");
        }
        assert_eq!(desk.calls(), 2);
    }
}

#[tokio::test]
async fn whose_session_wrote_a_key_joins_nobody() {
    let cache = Cache::builder().build().unwrap();
    let secrets = SessionSecrets::new([7; 32]).unwrap();
    // Tokens come back after what is allowed for clocks that differ.
    let later = || SystemTime::now() + Duration::from_secs(10);
    let returning = SessionSecrets::new([7; 32]).unwrap().with_clock(later);
    let bounds = |replica_lag| {
        let mut bounds = SessionBounds::of(&cache);
        (bounds.staleness, bounds.replica_lag) = (Duration::from_secs(60), replica_lag);
        bounds
    };
    let none = Duration::ZERO;
    let keyed = || SingleflightLayer::new().path("/{id}").key("item:<id>").build().unwrap();
    // What it wrote, how far replicas may be behind, and whether it shares a run for item 1.
    let cases = [
        (keyed(), "1", none, false),
        (fenced(&cache), "1", none, false),
        (keyed(), "2", none, true),
        (keyed(), "2", Duration::from_secs(60), false),
        (fresh(), "2", none, false),
    ];
    for (at, (layer, written, lag, shares)) in cases.into_iter().enumerate() {
        let writing = Scope::new(cache.clone());
        writing.run(cache.invalidate(item(written))).await;
        let token = secrets.issue(&writing, bounds(lag)).unwrap();
        let desk = Desk::new();
        let own = desk.clone();
        let service = layer.layer(probe(move |_: Request<Wrapped>| own.serve()));
        let first = send(&service, get("/1"));
        settle().await;
        // Of those who come later, all wait for one run, if nothing keeps them from it.
        let waits = send(&service, get("/1"));
        settle().await;
        let mut request = get("/1");
        let reading = Scope::new(cache.clone());
        reading.pin(returning.read(&token).unwrap());
        request.extensions_mut().insert(reading);
        let pinned = send(&service, request);
        settle().await;
        assert_eq!(desk.calls(), if shares { 1 } else { 2 }, "case {at}");
        desk.release(3);
        for answer in [first, waits, pinned] {
            told(answer).await;
        }
    }
}

#[tokio::test]
async fn what_a_run_fills_itself_breaks_no_fence() {
    const POLICY: Policy = Policy::from_parts(Ttl::from_millis(60_000, 0), None);
    let cache = Cache::builder().build().unwrap();
    let desk = Desk::new();
    let (at, own) = (desk.clone(), cache.clone());
    let service = fenced(&cache).layer(probe(move |_: Request<Wrapped>| {
        let (cache, answer) = (own.clone(), at.serve());
        async move {
            let load = async || Ok::<_, Infallible>(1_u64);
            cache.get_or_load(item("1"), &POLICY, load).await.unwrap();
            answer.await
        }
    }));
    let answers: Vec<_> = (0..5).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    desk.release(1);
    for answer in answers {
        assert_eq!(told(answer).await, "1");
    }
}

#[tokio::test]
async fn after_three_refusals_each_runs_by_itself() {
    let cache = Cache::builder().build().unwrap();
    let desk = Desk::new();
    let at = desk.clone();
    let service = fenced(&cache).layer(probe(move |_: Request<Wrapped>| at.serve()));
    let starter = send(&service, get("/1"));
    settle().await;
    let late: Vec<_> = (0..4).map(|_| send(&service, get("/1"))).collect();
    // Each time one of the late ones starts the next run, and the rest are refused again.
    for round in 1..=3 {
        settle().await;
        assert_eq!(desk.calls(), round);
        cache.invalidate(item("1")).await;
        desk.release(1);
    }
    settle().await;
    assert_eq!(told(starter).await, "1");
    desk.release(10);
    for answer in late {
        told(answer).await;
    }
    assert!(desk.calls() <= 5, "{}", desk.calls());
}

#[tokio::test]
async fn running_joins_whatever_runs() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = running().layer(probe(move |_: Request<Wrapped>| at.serve()));
    let first = send(&service, get("/1"));
    settle().await;
    let later: Vec<_> = (0..10).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    desk.release(1);
    assert_eq!(told(first).await, "1");
    for answer in later {
        assert_eq!(told(answer).await, "1");
    }
}

// ===== who drives =====

#[tokio::test]
async fn starter_disconnect_does_not_restart() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = running().layer(probe(move |_: Request<Wrapped>| at.serve()));
    let starter = send(&service, get("/1"));
    settle().await;
    let followers: Vec<_> = (0..3).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    starter.abort();
    settle().await;
    // The next driver goes as well.
    followers[0].abort();
    settle().await;
    desk.release(1);
    for answer in followers.into_iter().skip(1) {
        assert_eq!(told(answer).await, "1");
    }
    assert_eq!(desk.calls(), 1);
}

#[tokio::test]
async fn last_member_gone_cancels_run() {
    struct Ends(Arc<AtomicUsize>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let counted = ended.clone();
    let service = running().layer(probe(move |_: Request<Wrapped>| {
        let ends = Ends(counted.clone());
        async move {
            let _ends = ends;
            std::future::pending().await
        }
    }));
    let members: Vec<_> = (0..3).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    for (at, member) in members.iter().enumerate() {
        assert_eq!(ended.load(SeqCst), 0, "{at} of 3 are gone");
        member.abort();
        settle().await;
    }
    assert_eq!(ended.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn unpolled_driver_is_replaced() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = running().layer(probe(move |_: Request<Wrapped>| at.serve()));
    let mut driver = pin!(service.clone().oneshot(get("/1")));
    assert!(poll_once(driver.as_mut()).is_pending());
    let follower = send(&service, get("/1"));
    settle().await;
    desk.release(1);
    let begun = Instant::now();
    // The driver was woken, and nobody polls it.
    assert_eq!(told(follower).await, "1");
    let took = begun.elapsed();
    assert!((50..100).contains(&took.as_millis()), "{took:?}");
    // Its own answer waits for it.
    let Poll::Ready(answer) = poll_once(driver) else { panic!("it has an answer") };
    assert_eq!(body(answer.unwrap()).await, "1");
    assert_eq!(desk.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_that_are_not_polled_are_replaced_as_well() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = running().layer(probe(move |_: Request<Wrapped>| at.serve()));
    let mut driver = pin!(service.clone().oneshot(get("/1")));
    let mut deputy = pin!(service.clone().oneshot(get("/1")));
    assert!(poll_once(driver.as_mut()).is_pending() && poll_once(deputy.as_mut()).is_pending());
    let follower = send(&service, get("/1"));
    settle().await;
    desk.release(1);
    let begun = Instant::now();
    assert_eq!(told(follower).await, "1");
    assert!(begun.elapsed() <= Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_busy_poll() {
    let service = running().layer(probe(|_: Request<Wrapped>| async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        text("done")
    }));
    let polls = Arc::new(AtomicUsize::new(0));
    let mut answers = Vec::new();
    for _ in 0..10 {
        let (service, polls) = (service.clone(), polls.clone());
        answers.push(tokio::spawn(async move {
            let mut answer = pin!(service.oneshot(get("/1")));
            let answer = std::future::poll_fn(|cx| {
                polls.fetch_add(1, SeqCst);
                answer.as_mut().poll(cx)
            });
            body(answer.await.unwrap()).await
        }));
    }
    for answer in answers {
        assert_eq!(answer.await.unwrap(), "done");
    }
    // A first and a last one each, and a glance a second.
    assert!(polls.load(SeqCst) <= 10 * 8, "{polls:?}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_runs_by_itself() {
    let desk = Desk::new();
    let at = desk.clone();
    let layer = SingleflightLayer::running().any_path().wait_timeout("2s").build().unwrap();
    let service = layer.layer(probe(move |_: Request<Wrapped>| at.serve()));
    let starter = send(&service, get("/1"));
    settle().await;
    let follower = send(&service, get("/1"));
    settle().await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(desk.calls(), 2);
    desk.release(2);
    assert_eq!((told(starter).await, told(follower).await), ("1".into(), "2".into()));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_has_failed() {
    let layer = SingleflightLayer::running().any_path().run_timeout("1s").wait_timeout("1m");
    let desk = Desk::new();
    let at = desk.clone();
    let service = layer.build().unwrap().layer(probe(move |_: Request<Wrapped>| at.serve()));
    let answers: Vec<_> = (0..5).map(|_| send(&service, get("/1"))).collect();
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(desk.calls(), 3);
}

// ===== what is shared =====

#[tokio::test]
async fn uncacheable_releases_all_at_once() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = running().layer(probe(move |_: Request<Wrapped>| {
        let answer = at.serve();
        async move {
            let mut response = answer.await;
            response.headers_mut().insert("cache-control", "private".parse().unwrap());
            response
        }
    }));
    let answers: Vec<_> = (0..10).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    assert_eq!(desk.calls(), 1);
    desk.release(1);
    settle().await;
    assert_eq!(desk.calls(), 10);
    // Under the mark nobody waits any more.
    let more: Vec<_> = (0..5).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    assert_eq!(desk.calls(), 15);
    desk.release(20);
    let mut seen = Vec::new();
    for answer in answers.into_iter().chain(more) {
        seen.push(told(answer).await);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 15);
}

#[tokio::test]
async fn private_response_goes_to_starter_only() {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("set-cookie", "a=b"),
        ("vary", "accept-encoding"),
        ("access-control-allow-origin", "https://a.com"),
        ("content-security-policy", "script-src 'nonce-x'"),
    ] {
        let desk = Desk::new();
        let at = desk.clone();
        let service = running().layer(probe(move |_: Request<Wrapped>| {
            let answer = at.serve();
            async move {
                let mut response = answer.await;
                response.headers_mut().insert(name, value.parse().unwrap());
                response
            }
        }));
        let starter = send(&service, get("/1"));
        settle().await;
        let followers: Vec<_> = (0..3).map(|_| send(&service, get("/1"))).collect();
        settle().await;
        // Should it be gone, nobody is given what was for it.
        starter.abort();
        settle().await;
        desk.release(10);
        for answer in followers {
            assert_ne!(told(answer).await, "1", "{name}");
        }
    }
}

#[tokio::test]
async fn failures_are_shared_unless_they_are_not_to_be() {
    for (share, runs) in [(true, 1), (false, 5)] {
        let desk = Desk::new();
        let at = desk.clone();
        let layer = SingleflightLayer::running().any_path().share_failures(share).build().unwrap();
        let service = layer.layer(probe(move |_: Request<Wrapped>| {
            let answer = at.serve();
            async move {
                let mut response = answer.await;
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        }));
        let answers: Vec<_> = (0..5).map(|_| send(&service, get("/1"))).collect();
        settle().await;
        assert_eq!(desk.calls(), 1);
        desk.release(5);
        for answer in answers {
            assert_eq!(answer.await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
        assert_eq!(desk.calls(), runs);
    }
}

#[tokio::test]
async fn after_three_errors_the_rest_is_told() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = running().layer(service_fn(move |_: Request<Wrapped>| {
        let number = counted.fetch_add(1, SeqCst);
        async move {
            tokio::task::yield_now().await;
            Err::<Response<Whole>, _>(format!("error {number}"))
        }
    }));
    let send = || {
        let service = service.clone();
        tokio::spawn(async move { service.oneshot(get("/1")).await })
    };
    let answers: Vec<_> = (0..6).map(|_| send()).collect();
    let (mut errors, mut told) = (Vec::new(), 0);
    for answer in answers {
        match answer.await.unwrap() {
            Err(error) => errors.push(error),
            Ok(response) => {
                assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
                told += 1;
            }
        }
    }
    errors.sort();
    assert_eq!((errors, told), (vec!["error 0".into(), "error 1".into(), "error 2".into()], 3));
}

#[tokio::test]
async fn a_panic_reaches_its_driver_and_the_next_one_runs() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = running().layer(probe(move |_: Request<Wrapped>| {
        let number = counted.fetch_add(1, SeqCst);
        async move {
            tokio::task::yield_now().await;
            assert!(number > 0, "the first one panics");
            text("done")
        }
    }));
    let starter = send(&service, get("/1"));
    let followers: Vec<_> = (0..3).map(|_| send(&service, get("/1"))).collect();
    let panic = starter.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the first one panics"));
    for answer in followers {
        assert_eq!(told(answer).await, "done");
    }
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test]
async fn conditional_members_get_own_304() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = running().layer(probe(move |request: Request<Wrapped>| {
        assert!(!request.headers().contains_key("if-none-match"));
        let answer = at.serve();
        async move {
            let mut response = answer.await;
            response.headers_mut().insert("etag", "\"a\"".parse().unwrap());
            response
        }
    }));
    let conditional = |tag: &str| {
        let mut request = get("/1");
        request.headers_mut().insert("if-none-match", tag.parse().unwrap());
        request
    };
    let starter = send(&service, conditional("\"a\""));
    let same = send(&service, conditional("W/\"a\""));
    let other = send(&service, conditional("\"b\""));
    let plain = send(&service, get("/1"));
    settle().await;
    desk.release(1);
    for answer in [starter, same] {
        let response = answer.await.unwrap();
        assert_eq!(
            (response.status(), response.headers()["etag"].as_bytes()),
            (StatusCode::NOT_MODIFIED, &b"\"a\""[..])
        );
        assert!(body(response).await.is_empty());
    }
    for answer in [other, plain] {
        let response = answer.await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(body(response).await, "1");
    }
    assert_eq!(desk.calls(), 1);
}

#[tokio::test]
async fn all_of_a_response_is_shared() {
    let desk = Desk::new();
    let at = desk.clone();
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("t"), "1".parse().unwrap())]);
    let sent = trailers.clone();
    let handler = service_fn(move |_: Request<Wrapped>| {
        let (answer, trailers) = (at.serve(), sent.clone());
        async move {
            answer.await;
            let frames = [
                Frame::data(Bytes::from("a")),
                Frame::data(Bytes::from("b")),
                Frame::trailers(trailers),
            ];
            let frames = frames.map(Ok::<_, Infallible>);
            let mut response = Response::new(StreamBody::new(Stream(frames.into_iter())));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response.headers_mut().append("x", "1".parse().unwrap());
            response.headers_mut().append("x", "2".parse().unwrap());
            Ok::<_, Infallible>(response)
        }
    });
    let service = running().layer(handler);
    let send = || {
        let service = service.clone();
        tokio::spawn(async move { service.oneshot(get("/1")).await.unwrap() })
    };
    let answers: Vec<_> = (0..3).map(|_| send()).collect();
    settle().await;
    desk.release(1);
    for answer in answers {
        let response = answer.await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers().get_all("x").iter().count(), 2);
        assert_eq!(response.body().size_hint().upper(), None);
        let all = response.into_body().collect().await.unwrap();
        assert_eq!(all.trailers(), Some(&trailers));
        assert_eq!(all.to_bytes(), "ab");
    }
    assert_eq!(desk.calls(), 1);
}

struct Stream<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Stream<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

// ===== permits =====

#[tokio::test]
async fn followers_hold_no_permit() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = ServiceBuilder::new()
        .layer(running())
        .concurrency_limit(2)
        .service(probe(move |_: Request<Wrapped>| at.serve()));
    let answers: Vec<_> = (0..20).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    // One permit is the run's, and one is free.
    let other = send(&service, get("/2"));
    settle().await;
    assert_eq!(desk.calls(), 2);
    desk.release(2);
    for answer in answers {
        told(answer).await;
    }
    told(other).await;
}

#[tokio::test]
async fn readies_equal_calls_plus_drops() {
    for layer in [fresh(), running()] {
        let desk = Desk::new();
        let at = desk.clone();
        let probe = probe(move |_: Request<Wrapped>| at.serve());
        let counts = probe.counts.clone();
        let service = layer.layer(probe);
        let mut answers: Vec<_> = (0..10).map(|_| send(&service, get("/1"))).collect();
        answers.push(send(&service, Request::post("/1").body(Full::default()).unwrap()));
        settle().await;
        answers[0].abort();
        desk.release(20);
        for answer in answers {
            let _ended = answer.await;
        }
        let (readied, called, dropped) = counts.now();
        assert_eq!(readied, called + dropped);
        assert!(dropped > 0 && called > 1);
    }
}

#[tokio::test]
#[should_panic(expected = "called without having been readied")]
async fn panics_if_called_unreadied() {
    // The probe itself: every test above would fail if the layer called a service that is not ready.
    let mut service = running().layer(probe(|_: Request<Wrapped>| async { text("") }));
    let _answer = service.call(Request::post("/").body(Whole::default()).unwrap());
}

// ===== what takes no part =====

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
    assert_eq!(seen(running(), request()).await, "host,traceparent /1?utm_a=1&b=2");
    let builder = SingleflightLayer::running().any_path();
    let layer = builder.vary(["accept"]).query_ignore(["utm_*"]).build().unwrap();
    assert_eq!(seen(layer, request()).await, "accept,host,traceparent /1?b=2");
    // What is passed by is not touched.
    let mut passed = request();
    passed.headers_mut().insert("cookie", "c".parse().unwrap());
    let all = "accept,cookie,host,traceparent,x-forwarded-host,x-http-method-override";
    assert_eq!(seen(running(), passed).await, format!("{all} /1?utm_a=1&b=2"));
}

#[tokio::test]
async fn what_is_too_long_is_streamed_to_its_starter() {
    let layer = SingleflightLayer::running().any_path().max_body(8).build().unwrap();
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

// ===== gRPC =====

fn call(message: &'static str, timeout: Option<&'static str>) -> Request<Whole> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let frame = [&[0][..], &length, message.as_bytes()].concat();
    let request = Request::post("http://h/shop.Users/GetUser")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let request = timeout.into_iter().fold(request, |r, timeout| r.header("grpc-timeout", timeout));
    request.body(Full::from(frame)).unwrap()
}

fn calls(cache: &Cache) -> SingleflightLayer {
    let key = |message: &[u8]| {
        let id = std::str::from_utf8(message).map_err(|_| KeyMissing)?;
        Ok(item(id))
    };
    SingleflightLayer::fenced(cache).method_with("/shop.Users/GetUser", key).build().unwrap()
}

fn ok(mut response: Response<Whole>) -> Response<Whole> {
    response.headers_mut().insert("grpc-status", "0".parse().unwrap());
    response
}

#[tokio::test]
async fn short_grpc_deadline_of_starter_harms_nobody() {
    let cache = Cache::builder().build().unwrap();
    let desk = Desk::new();
    let at = desk.clone();
    let service = calls(&cache).layer(probe(move |request: Request<Wrapped>| {
        assert!(!request.headers().contains_key("grpc-timeout"));
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.headers()["content-type"], "application/grpc");
        let answer = at.serve();
        async move {
            assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "\0\0\0\0\x017");
            ok(answer.await)
        }
    }));
    let hasty = send(&service, call("7", Some("10m")));
    settle().await;
    let patient = send(&service, call("7", Some("10S")));
    settle().await;
    hasty.abort();
    settle().await;
    desk.release(1);
    assert_eq!(told(patient).await, "1");
    assert_eq!(desk.calls(), 1);
}

#[tokio::test]
async fn grpc_calls_share_by_message_and_others_pass() {
    let cache = || Cache::builder().build().unwrap();
    let pairs = [
        (true, [call("7", None), call("7", Some("1S"))]),
        (false, [call("7", None), call("8", None)]),
        (
            false,
            ["/shop.Users/Other"; 2].map(|path| {
                let mut request = call("7", None);
                *request.uri_mut() = format!("http://h{path}").parse().unwrap();
                request
            }),
        ),
        (
            false,
            [call("7", None), call("7", None)].map(|request| {
                // Not one whole frame.
                request.map(|_| Full::from("\0\0\0\0\x077"))
            }),
        ),
    ];
    for (expected, pair) in pairs {
        let described = format!("{pair:?}");
        let desk = Desk::new();
        let at = desk.clone();
        let service = calls(&cache()).layer(probe(move |_: Request<Wrapped>| {
            let answer = at.serve();
            async move { ok(answer.await) }
        }));
        let answers = pair.map(|request| send(&service, request));
        settle().await;
        assert_eq!(desk.calls() == 1, expected, "{described}");
        desk.release(2);
        for answer in answers {
            told(answer).await;
        }
    }
}

#[tokio::test]
async fn a_call_without_an_end_is_not_shared() {
    let cache = Cache::builder().build().unwrap();
    let desk = Desk::new();
    let at = desk.clone();
    let service = calls(&cache).layer(probe(move |_: Request<Wrapped>| at.serve()));
    let answers = [send(&service, call("7", None)), send(&service, call("7", None))];
    settle().await;
    desk.release(2);
    let [one, two] = answers.map(told);
    assert_eq!((one.await, two.await), ("1".into(), "2".into()));
}

// ===== the contract of Tower =====

#[test]
fn auto_traits() {
    fn promised<T: Clone + Send + Sync + 'static>() {}
    fn sendable<T: Send + 'static>() {}
    type Inner = tower::util::BoxCloneSyncService<Request<Wrapped>, Response<Whole>, Infallible>;
    type Service = <SingleflightLayer as Layer<Inner>>::Service;
    promised::<SingleflightLayer>();
    promised::<Service>();
    promised::<cachekit_tower::singleflight::SingleflightBuilder>();
    promised::<cachekit_tower::BuildError>();
    sendable::<<Service as tower::Service<Request<Whole>>>::Future>();
    sendable::<Body<Whole>>();
}

#[tokio::test]
async fn error_type_is_inner() {
    #[derive(Debug, PartialEq)]
    struct Own;
    let service =
        running().layer(service_fn(async |_: Request<Wrapped>| Err::<Response<Whole>, _>(Own)));
    assert_eq!(service.oneshot(get("/1")).await.unwrap_err(), Own);
}

#[tokio::test]
async fn boxerror_inner_passes_through() {
    let service = ServiceBuilder::new()
        .layer(running())
        .load_shed()
        .concurrency_limit(1)
        .timeout(Duration::from_millis(1))
        .service_fn(async |_: Request<Wrapped>| {
            std::future::pending::<Result<Response<Whole>, BoxError>>().await
        });
    let error = service.oneshot(get("/1")).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>(), "{error}");
}

#[tokio::test]
async fn layer_twice_shares_state() {
    let desk = Desk::new();
    let layer = running();
    let services = [0, 1].map(|_| {
        let at = desk.clone();
        layer.clone().layer(probe(move |_: Request<Wrapped>| at.serve()))
    });
    let answers: Vec<_> = services.iter().map(|service| send(service, get("/1"))).collect();
    settle().await;
    assert_eq!(desk.calls(), 1);
    desk.release(1);
    for answer in answers {
        assert_eq!(told(answer).await, "1");
    }
}

#[test]
fn clone_is_cheap() {
    // One count more, and whatever the inner service costs.
    let service = running().layer(());
    assert_eq!(size_of_val(&service), size_of::<usize>());
}

#[test]
fn mistakes_are_told_at_once() {
    let cache = Cache::disabled();
    let builder = SingleflightLayer::fenced(&cache)
        .key("<id>")
        .methods([http::Method::POST])
        .vary(["a b"])
        .max_parallel(0)
        .wait_timeout("soon");
    let error = builder.build().unwrap_err();
    assert_eq!(error.mistakes().count(), 6, "{error}");
}

// ===== requests that are not HTTP =====

#[tokio::test]
async fn requests_of_any_kind_share_by_their_key() {
    let desk = Desk::new();
    let at = desk.clone();
    let key = |id: &u64| item(&id.to_string());
    let service = cachekit_tower::singleflight::of(key).layer(service_fn(move |_: u64| {
        let answer = at.serve();
        async move { Ok::<_, Infallible>(body(answer.await).await) }
    }));
    let send = |id: u64| {
        let service = service.clone();
        tokio::spawn(async move { service.oneshot(id).await.unwrap() })
    };
    let (first, other) = (send(1), send(2));
    settle().await;
    let later = [send(1), send(1), send(1)];
    settle().await;
    assert_eq!(desk.calls(), 2);
    desk.release(3);
    first.await.unwrap();
    other.await.unwrap();
    for answer in later {
        assert_eq!(answer.await.unwrap(), "3");
    }
    assert_eq!(desk.calls(), 3);
}
