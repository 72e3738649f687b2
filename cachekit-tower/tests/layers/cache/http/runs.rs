//! Runs of the handler, and who shares them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceExt as _};

use crate::replies::{Site, at_once, cache, front, get, send, try_send, until, user, users, with};

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

/// What a future gives when it is polled once.
async fn futures_once<F: Future + ?Sized>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}
