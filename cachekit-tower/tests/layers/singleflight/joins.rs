//! Who joins a run.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use cachekit_core::{Cache, Outcome, Policy, Scope, SessionBounds, SessionSecrets, Ttl};
use cachekit_test_support::RedisServer;
use cachekit_tower::SingleflightLayer;
use http::Request;
use tower::Layer as _;

use super::{
    Desk, Wrapped, fenced, fresh, item,
    kit::{get, probe, settle},
    running, send, told,
};

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
        desk.reach(1).await;
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
        desk.reach(1).await;
        assert_eq!(writer.invalidate(item("1")).await, Outcome::Applied);
        let late: Vec<_> = (0..20).map(|_| send(&service, get("/1"))).collect();
        settle().await;
        assert_eq!(desk.calls(), 1);
        desk.release(1);
        // Its request came before the write had returned.
        assert_eq!(told(starter).await, "1");
        desk.reach(2).await;
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
