//! Writes that pass through the layer: however they end, the responses of their groups are dropped.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
};

use cachekit_core::Cache;
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::replies::{
    Front, Script, Seen, Site, answer, cache, front, get, request, send, try_send, users, with,
};

/// Answers reads at once, and writes when `go` says so.
fn slow_to_write(go: &Arc<Notify>) -> Site {
    let go = go.clone();
    Site::new(move |request| {
        let go = go.clone();
        async move {
            if request.method() == "PUT" {
                go.notified().await;
            }
            with(&[], "x")
        }
    })
}

/// A front that has the answer to `GET /users/1`, and the handler's gate for writes.
async fn warm(cache: &Cache) -> (Front, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let front = front(users(cache), &slow_to_write(&go));
    send(&front, get("/users/1")).await;
    assert!(send(&front, get("/users/1")).await.is_hit());
    (front, go)
}

type Writing = Pin<
    Box<
        dyn Future<
                Output = Result<Response<cachekit_tower::Body<Script>>, cachekit_tower::BoxError>,
            > + Send,
    >,
>;

/// A write whose handler has begun, and waits.
fn begun(front: &Front) -> Writing {
    let mut writing: Writing = Box::pin(front.clone().oneshot(request("PUT", "/users/1", &[])));
    assert!(writing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    writing
}

#[tokio::test]
async fn unsafe_method_invalidates_all_variants() {
    for (status, dropped) in [(200_u16, true), (303, true), (500, true), (404, false), (400, false)]
    {
        let site = Site::new(move |request: Seen| async move {
            answer(if request.method() == "PUT" { status } else { 200 }, &[], "x")
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
    let site = Site::fallible(|request: Seen| async move {
        if request.method() == "PUT" { Err("lost".into()) } else { Ok(with(&[], "x")) }
    });
    let front = front(users(&cache()), &site);
    send(&front, get("/users/1")).await;
    assert!(try_send(&front, request("PUT", "/users/1", &[])).await.is_err());
    assert!(!send(&front, get("/users/1")).await.is_hit(), "it may have written");
}

#[tokio::test]
async fn a_write_whose_client_has_gone_is_finished_and_invalidates() {
    let cache = cache();
    let (front, go) = warm(&cache).await;
    drop(begun(&front));
    assert!(send(&front, get("/users/1")).await.is_hit(), "nothing is written yet");
    go.notify_one();
    cache.shutdown().await.unwrap();
    assert!(!send(&front, get("/users/1")).await.is_hit());
}

/// What panics is not the handler: another piece of the task that it is polled in.
#[tokio::test]
async fn a_write_that_another_panic_takes_along_drops_its_groups() {
    let cache = cache();
    let (front, go) = warm(&cache).await;
    let writing = begun(&front);
    let task = tokio::spawn(async move {
        let _writing = writing;
        panic!("elsewhere in the task");
    });
    assert!(task.await.unwrap_err().is_panic());
    go.notify_one();
    cache.shutdown().await.unwrap();
    assert!(!send(&front, get("/users/1")).await.is_hit());
}

#[tokio::test]
async fn a_write_for_which_there_is_no_room_drops_its_groups() {
    let cache = cache();
    let (front, _go) = warm(&cache).await;
    let writing = begun(&front);
    while cache.track(std::future::pending()) {}
    drop(writing);
    assert!(!send(&front, get("/users/1")).await.is_hit());
}

#[test]
fn a_write_that_ends_with_its_runtime_drops_its_groups() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, cache) = (runtime(), cache());
    let front = first.block_on(async {
        let (front, _go) = warm(&cache).await;
        drop(begun(&front));
        front
    });
    drop(first);
    assert!(!runtime().block_on(send(&front, get("/users/1"))).is_hit());
}

#[tokio::test]
async fn a_handler_s_panic_drops_the_groups() {
    let cache = cache();
    let site = Site::new(|request| async move {
        assert!(request.method() != "PUT", "after its write");
        with(&[], "x")
    });
    let front = front(users(&cache), &site);
    send(&front, get("/users/1")).await;
    let (writing, reading) = (front.clone(), get("/users/1"));
    let put = tokio::spawn(async move { send(&writing, request("PUT", "/users/1", &[])).await });
    assert!(put.await.unwrap_err().is_panic());
    assert!(!send(&front, reading).await.is_hit());
    cache.shutdown().await.expect("nothing that has panicked is polled again");
}

/// What it streams may write as well.
#[tokio::test]
async fn what_a_streamed_answer_writes_is_dropped_before_its_last_frame() {
    let front = front(users(&cache()), &Site::numbered(&[]));
    send(&front, get("/users/1")).await;
    let put = front.clone().oneshot(request("PUT", "/users/1", &[])).await.unwrap();
    assert!(!send(&front, get("/users/1")).await.is_hit(), "before the head");
    assert!(send(&front, get("/users/1")).await.is_hit());
    let mut body = put.into_body();
    while body.frame().await.is_some() {}
    assert!(!send(&front, get("/users/1")).await.is_hit());
}

#[tokio::test]
async fn a_refused_write_keeps_the_responses() {
    let site = Site::new(|request| async move {
        answer(if request.method() == "PUT" { 409 } else { 200 }, &[], "x")
    });
    let front = front(users(&cache()), &site);
    send(&front, get("/users/1")).await;
    assert_eq!(send(&front, request("PUT", "/users/1", &[])).await.status, StatusCode::CONFLICT);
    assert!(send(&front, get("/users/1")).await.is_hit());
}
