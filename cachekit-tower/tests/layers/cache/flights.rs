//! Who shares a run of the cache layer, who may not, and who goes on with it.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use cachekit_core::testing;
use cachekit_tower::Scope;
use http::Response;
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::replies::{
    Front, Reply, Script, Site, answer, at_once, cache, front, get, reply, request, send, try_send,
    until, user, users, with,
};

/// A handler that waits at a gate, and answers with what is made of the number of the call.
fn gated(make: fn(usize) -> Response<Script>) -> (Site, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let (wait, number) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let site = Site::new(move |_| {
        let (wait, number) = (wait.clone(), number.fetch_add(1, SeqCst));
        async move {
            wait.acquire().await.unwrap().forget();
            make(number)
        }
    });
    (site, gate)
}

/// A handler that answers with what is made of the number of the call.
fn numbered(make: fn(usize) -> Response<Script>) -> Site {
    let number = Arc::new(AtomicUsize::new(0));
    Site::new(move |_| {
        let number = number.fetch_add(1, SeqCst);
        async move { make(number) }
    })
}

fn spawn(front: &Front) -> JoinHandle<Reply> {
    let front = front.clone();
    tokio::spawn(async move { send(&front, get("/users/1")).await })
}

async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn fails(number: usize) -> Response<Script> {
    answer(503, &[], number.to_string())
}

#[tokio::test(start_paused = true)]
async fn unpolled_driver_is_replaced() {
    let (site, gate) = gated(|number| with(&[], number.to_string()));
    let front = front(users(&cache()), &site);
    let mut first = Box::pin(try_send(&front, get("/users/1")));
    assert!(poll_once(first.as_mut()).is_pending());
    let others: Vec<_> = (0..5).map(|_| spawn(&front)).collect();
    settle().await;
    let began = tokio::time::Instant::now();
    gate.add_permits(1);
    for other in others {
        assert_eq!(other.await.unwrap().text(), "0");
    }
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(50), "{waited:?}");
    assert!(waited < Duration::from_millis(250), "{waited:?}");
    assert_eq!(site.calls(), 1, "nothing begins again");
    let own = reply(first.await.unwrap()).await;
    assert_eq!((own.text(), own.cache().contains("collapsed")), ("0", false), "it is its own run");
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_left_alone_again_goes_on_itself() {
    let gate = Arc::new(Semaphore::new(0));
    let wait = gate.clone();
    let site = Site::new(move |_| {
        let wait = wait.clone();
        async move {
            for _ in 0..2 {
                wait.acquire().await.unwrap().forget();
            }
            with(&[], "0")
        }
    });
    let front = front(users(&cache()), &site);
    let mut first = Box::pin(try_send(&front, get("/users/1")));
    assert!(poll_once(first.as_mut()).is_pending());
    let other = spawn(&front);
    settle().await;
    // It waits again once it was polled in its caller's place.
    gate.add_permits(1);
    tokio::time::sleep(Duration::from_millis(300)).await;
    other.abort();
    assert!(other.await.is_err());
    settle().await;
    gate.add_permits(1);
    assert_eq!(reply(first.await.unwrap()).await.text(), "0");
    assert_eq!(site.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_only_takes_long_is_left_to_its_driver() {
    let scopes = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = scopes.clone();
    let site = Site::new(move |_| {
        let seen = seen.clone();
        async move {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(30)).await;
                seen.lock().unwrap().push(tokio::task::id());
            }
            with(&[], "x")
        }
    });
    let front = front(users(&cache()), &site);
    let first = spawn(&front);
    until("it runs", || site.calls() == 1).await;
    let others: Vec<_> = (0..5).map(|_| spawn(&front)).collect();
    let driver = first.id();
    for task in others.into_iter().chain([first]) {
        assert_eq!(task.await.unwrap().text(), "x");
    }
    assert!(scopes.lock().unwrap().iter().all(|task| *task == driver));
}

#[tokio::test(start_paused = true)]
async fn a_run_stays_in_its_own_scope_whoever_drives_it() {
    let gate = Arc::new(Semaphore::new(0));
    let wait = gate.clone();
    let site = Site::new(move |_| {
        let wait = wait.clone();
        async move {
            wait.acquire().await.unwrap().forget();
            let scope = Scope::current().map_or(0, |scope| scope.invalidated().len());
            with(&[], scope.to_string())
        }
    });
    let cache = cache();
    let front = front(users(&cache), &site);
    let scope = Scope::new(cache.clone());
    scope.run(cache.invalidate(user("of this scope"))).await;
    let mut first = Box::pin(scope.run(try_send(&front, get("/users/1"))));
    assert!(poll_once(first.as_mut()).is_pending());
    let other = spawn(&front);
    settle().await;
    gate.add_permits(1);
    assert_eq!(other.await.unwrap().text(), "1");
    assert_eq!(reply(first.await.unwrap()).await.text(), "1");
}

#[tokio::test]
async fn failures_are_one_call_for_all_who_wait() {
    let (site, gate) = gated(fails);
    let front = front(users(&cache()), &site);
    let all = {
        let front = front.clone();
        tokio::spawn(async move { at_once(&front, 50, || get("/users/1")).await })
    };
    until("one runs", || site.calls() == 1).await;
    settle().await;
    gate.add_permits(1);
    let replies = all.await.unwrap();
    assert!(replies.iter().all(|reply| (reply.status.as_u16(), reply.text()) == (503, "0")));
    gate.add_permits(1);
    assert_eq!(send(&front, get("/users/1")).await.text(), "1", "none was stored");
}

#[tokio::test]
async fn a_failure_that_may_not_be_shared_holds_nobody_up() {
    let (site, gate) =
        gated(|number| answer(503, &[("cache-control", "no-store")], number.to_string()));
    let front = front(users(&cache()), &site);
    let all = {
        let front = front.clone();
        tokio::spawn(async move { at_once(&front, 20, || get("/users/1")).await })
    };
    until("one runs", || site.calls() == 1).await;
    settle().await;
    gate.add_permits(1);
    until("all others run at once", || site.calls() == 20).await;
    gate.add_permits(19);
    let mut texts: Vec<_> =
        all.await.unwrap().iter().map(|reply| reply.text().to_owned()).collect();
    texts.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(texts, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
    // Its next answer may be another: one runs for all again.
    let next = spawn(&front);
    until("one runs", || site.calls() == 21).await;
    let other = spawn(&front);
    settle().await;
    assert_eq!(site.calls(), 21);
    gate.add_permits(2);
    next.await.unwrap();
    other.await.unwrap();
}

#[tokio::test]
async fn a_failure_from_before_a_write_is_not_shared_with_who_came_after_it() {
    for stale_if_error in ["0s", "1h"] {
        let cache = cache();
        let (site, gate) = gated(fails);
        let front = front(users(&cache).stale_if_error(stale_if_error), &site);
        let early = spawn(&front);
        until("it runs", || site.calls() == 1).await;
        cache.invalidate(user("1")).await;
        let late = spawn(&front);
        settle().await;
        gate.add_permits(2);
        assert_eq!(early.await.unwrap().text(), "0");
        assert_eq!(late.await.unwrap().text(), "1", "it came after the write");
    }
}

#[tokio::test]
async fn failures_that_are_not_shared_are_one_call_each() {
    let (site, gate) = gated(fails);
    let front = front(users(&cache()).share_failures(false), &site);
    let all: Vec<_> = (0..4).map(|_| spawn(&front)).collect();
    until("one runs", || site.calls() == 1).await;
    gate.add_permits(4);
    let mut texts = Vec::new();
    for one in all {
        texts.push(one.await.unwrap().text().to_owned());
    }
    texts.sort_unstable();
    assert_eq!(texts, ["0", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_private_response_in_the_place_of_an_old_one_puts_nothing_off() {
    let (clock, builder) = testing::clock();
    let cache = builder.build().unwrap();
    let site = numbered(|number| match number {
        0 => with(&[("cache-control", "max-age=10, stale-if-error=60")], "old"),
        1 => with(&[("cache-control", "private")], "mine"),
        _ => with(&[], "new"),
    });
    let front = front(users(&cache).uncacheable_for("1ms").stale_if_error("1h"), &site);
    send(&front, get("/users/1")).await;
    clock.advance(Duration::from_secs(20));
    assert_eq!(send(&front, get("/users/1")).await.text(), "mine");
    // Past the marker.
    tokio::time::advance(Duration::from_millis(5)).await;
    assert_eq!(send(&front, get("/users/1")).await.text(), "new");
}

#[tokio::test]
async fn an_old_response_stands_in_for_failures_alone() {
    let (clock, builder) = testing::clock();
    let cache = builder.build().unwrap();
    let site = numbered(|number| match number {
        0 => with(&[("cache-control", "max-age=10, stale-if-error=60")], "old"),
        1 => answer(501, &[], "not there"),
        _ => answer(502, &[], "bad"),
    });
    let front = front(users(&cache), &site);
    send(&front, get("/users/1")).await;
    clock.advance(Duration::from_secs(20));
    assert_eq!(send(&front, get("/users/1")).await.status, 501);
}

#[tokio::test]
async fn an_invalidation_of_a_group_removes_the_marker() {
    let cache = cache();
    let (site, gate) = gated(|number| match number {
        0 | 1 => with(&[("cache-control", "private")], "mine"),
        _ => with(&[], number.to_string()),
    });
    let front = front(users(&cache), &site);
    gate.add_permits(2);
    assert_eq!(send(&front, get("/users/1")).await.text(), "mine");
    cache.invalidate(user("2")).await;
    assert_eq!(send(&front, get("/users/1")).await.text(), "mine");
    cache.invalidate(user("1")).await;
    let all: Vec<_> = (0..10).map(|_| spawn(&front)).collect();
    until("one runs", || site.calls() == 3).await;
    settle().await;
    assert_eq!(site.calls(), 3, "they wait for one another again");
    gate.add_permits(1);
    for one in all {
        assert_eq!(one.await.unwrap().text(), "2");
    }
}

#[tokio::test]
async fn under_a_marker_a_response_may_be_stored_and_ends_it() {
    let (site, gate) = gated(|number| match number {
        0 => with(&[("cache-control", "private")], "mine"),
        _ => with(&[], number.to_string()),
    });
    let front = front(users(&cache()), &site);
    gate.add_permits(1);
    send(&front, get("/users/1")).await;
    let all: Vec<_> = (0..3).map(|_| spawn(&front)).collect();
    until("none waits for another", || site.calls() == 4).await;
    gate.add_permits(3);
    for one in all {
        one.await.unwrap();
    }
    assert!(send(&front, get("/users/1")).await.is_hit());
    let head = send(&front, request("HEAD", "/users/1", &[])).await;
    assert!(head.is_hit());
}
