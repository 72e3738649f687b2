//! Who drives a run, and for how long it is waited for.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use cachekit_tower::SingleflightLayer;
use http::{Request, StatusCode};
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _};

use super::{
    Desk, Wrapped,
    kit::{body, get, poll_once, probe, settle},
    running, send, told,
};

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
    let desk = Desk::new();
    let at = desk.clone();
    let service = running().layer(probe(move |_: Request<Wrapped>| at.serve()));
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
    settle().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    desk.release(1);
    for answer in answers {
        assert_eq!(answer.await.unwrap(), "1");
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
