//! Runs that nobody can join, and those who wait for their end.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use cachekit_core::{Cache, Scope};
use cachekit_tower::SingleflightLayer;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use tokio::sync::Notify;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use super::{
    Desk, Wrapped, fresh,
    kit::{Whole, body, get, poll_once, probe, settle, text},
    send, told,
};

/// Data that comes once it is let go.
struct Late(Pin<Box<dyn Future<Output = ()> + Send>>, bool);

impl HttpBody for Late {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.1 {
            return Poll::Ready(None);
        }
        std::task::ready!(self.0.as_mut().poll(cx));
        self.1 = true;
        Poll::Ready(Some(Ok(Frame::data("late".into()))))
    }
}

#[tokio::test]
async fn those_who_wait_go_on_when_who_leads_is_gone() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = fresh().layer(probe(move |_: Request<Wrapped>| at.serve()));
    let leads = send(&service, get("/1"));
    settle().await;
    let waiting: Vec<_> = (0..3).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    assert_eq!(desk.calls(), 1);
    leads.abort();
    settle().await;
    assert_eq!(desk.calls(), 2);
    desk.release(1);
    for answer in waiting {
        assert_eq!(told(answer).await, "2");
    }
}

/// Were a head enough, handlers of slow bodies would run as often as they are asked.
#[tokio::test]
async fn a_run_lasts_until_its_body_is_there() {
    let (desk, gate) = (Desk::new(), Arc::new(Notify::new()));
    let (at, opens) = (desk.clone(), gate.clone());
    let service = fresh().layer(service_fn(move |_: Request<Wrapped>| {
        let (answer, opens) = (at.serve(), opens.clone());
        async move {
            answer.await;
            let late = async move { opens.notified().await };
            Ok::<_, Infallible>(Response::new(Late(Box::pin(late), false)))
        }
    }));
    let send = || {
        let service = service.clone();
        tokio::spawn(async move { body(service.oneshot(get("/1")).await.unwrap()).await })
    };
    desk.release(2);
    let leads = send();
    settle().await;
    let waits = send();
    settle().await;
    assert_eq!(desk.calls(), 1);
    gate.notify_one();
    assert_eq!(leads.await.unwrap(), "late");
    settle().await;
    assert_eq!(desk.calls(), 2);
    gate.notify_one();
    assert_eq!(waits.await.unwrap(), "late");
}

#[tokio::test]
async fn who_cannot_share_waits_for_nobody() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = fresh().layer(probe(move |_: Request<Wrapped>| {
        let answer = at.serve();
        async move {
            let mut response = answer.await;
            response.headers_mut().insert("cache-control", "no-store".parse().unwrap());
            response
        }
    }));
    let answers: Vec<_> = (0..10).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    assert_eq!(desk.calls(), 1);
    desk.release(1);
    settle().await;
    assert_eq!(desk.calls(), 10);
    desk.release(9);
    let mut seen = Vec::new();
    for answer in answers {
        seen.push(told(answer).await);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_has_failed() {
    let layer = SingleflightLayer::new().any_path().run_timeout("1s").wait_timeout("1m");
    let desk = Desk::new();
    let at = desk.clone();
    let service = layer.build().unwrap().layer(probe(move |_: Request<Wrapped>| at.serve()));
    let answers: Vec<_> = (0..5).map(|_| send(&service, get("/1"))).collect();
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    // Its own, and three of the flight that waited for it.
    assert_eq!(desk.calls(), 4);
}

/// Those who wait for a run whose responses are not to be shared would each wait for the next one again.
#[tokio::test]
async fn who_waits_for_a_group_that_cannot_share_is_let_go_as_well() {
    let (desk, calls) = (Desk::new(), Arc::new(AtomicUsize::new(0)));
    let at = desk.clone();
    let service = fresh().layer(probe(move |_: Request<Wrapped>| {
        let (answer, call) = (at.serve(), calls.fetch_add(1, SeqCst));
        async move {
            let mut response = answer.await;
            if call > 0 {
                response.headers_mut().insert("cache-control", "private".parse().unwrap());
            }
            response
        }
    }));
    let leads = send(&service, get("/1"));
    settle().await;
    let group: Vec<_> = (0..3).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    desk.release(1);
    settle().await;
    let behind: Vec<_> = (0..3).map(|_| send(&service, get("/1"))).collect();
    settle().await;
    assert_eq!(desk.calls(), 2);
    desk.release(1);
    settle().await;
    assert_eq!(desk.calls(), 1 + 3 + 3);
    desk.release(6);
    for answer in [leads].into_iter().chain(group).chain(behind) {
        told(answer).await;
    }
}

/// The panicked future is kept: only what polls it knows when it goes.
#[tokio::test]
async fn a_panic_ends_a_run() {
    let (gate, calls) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (opens, counted) = (gate.clone(), calls.clone());
    let service = fresh().layer(probe(move |_: Request<Wrapped>| {
        let (opens, call) = (opens.clone(), counted.fetch_add(1, SeqCst));
        async move {
            if call == 0 {
                opens.notified().await;
                panic!("the first one panics");
            }
            text("done")
        }
    }));
    let mut leads = Box::pin(service.clone().oneshot(get("/1")));
    assert!(poll_once(leads.as_mut()).is_pending());
    let waits = send(&service, get("/1"));
    settle().await;
    assert_eq!(calls.load(SeqCst), 1);
    gate.notify_one();
    let polled = std::panic::catch_unwind(AssertUnwindSafe(|| poll_once(leads.as_mut())));
    assert!(polled.is_err());
    settle().await;
    assert_eq!(calls.load(SeqCst), 2);
    assert_eq!(told(waits).await, "done");
}

#[tokio::test]
async fn who_leads_and_is_dropped_holds_nothing() {
    let desk = Desk::new();
    let at = desk.clone();
    let service = fresh().layer(probe(move |_: Request<Wrapped>| at.serve()));
    let mut first = Box::pin(service.clone().oneshot(get("/1")));
    assert!(poll_once(first.as_mut()).is_pending());
    let waits = send(&service, get("/1"));
    settle().await;
    assert_eq!(desk.calls(), 1);
    drop(first);
    settle().await;
    assert_eq!(desk.calls(), 2);
    desk.release(1);
    assert_eq!(told(waits).await, "2");
}

#[tokio::test]
async fn who_is_never_polled_keeps_nobody_waiting() {
    let desk = Desk::new();
    let at = desk.clone();
    let mut service = fresh().layer(probe(move |_: Request<Wrapped>| at.serve()));
    let idle = service.ready().await.unwrap().call(get("/1"));
    let other = send(&service, get("/1"));
    settle().await;
    assert_eq!(desk.calls(), 1);
    desk.release(2);
    assert_eq!(told(other).await, "1");
    assert_eq!(body(idle.await.unwrap()).await, "2");
}

/// Whoever polls it: the task may be another one than that of the layer which bound the cache.
#[tokio::test]
async fn a_run_is_in_the_scope_of_its_request() {
    let cache = Cache::builder().build().unwrap();
    let service = fresh().layer(probe(|_: Request<Wrapped>| async {
        text(if Scope::current().is_some() { "in it" } else { "outside" })
    }));
    let mut request = get("/1");
    request.extensions_mut().insert(Scope::new(cache));
    assert_eq!(told(send(&service, request)).await, "in it");
    assert_eq!(told(send(&service, get("/1"))).await, "outside");
}

#[tokio::test]
async fn a_host_is_shown_as_it_is_keyed() {
    let service = fresh().layer(probe(|request: Request<Wrapped>| async move {
        text(request.headers()["host"].as_bytes().to_vec())
    }));
    for (sent, seen) in [("h", "h"), ("H.com:80", "h.com"), ("h.com:8080", "h.com:8080")] {
        let request = Request::get("/1").header("host", sent).body(Whole::default()).unwrap();
        assert_eq!(told(send(&service, request)).await, seen);
    }
}
