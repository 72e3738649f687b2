//! Answers that are out of date.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use cachekit_core::testing;

use crate::replies::{Site, answer, at_once, front, get, send, until, user, users, with};

#[tokio::test]
async fn swr_serves_then_refreshes_once() {
    let (clock, builder) = testing::clock();
    let cache = builder.build().unwrap();
    let site = Site::numbered(&[("cache-control", "max-age=10, stale-while-revalidate=60")]);
    let front = front(users(&cache), &site);
    send(&front, get("/users/1")).await;
    clock.advance(Duration::from_secs(20));
    let replies = at_once(&front, 20, || get("/users/1")).await;
    assert!(replies.iter().all(|reply| reply.is_hit()), "nobody waits");
    assert!(replies[0].cache().ends_with("detail=stale"), "{}", replies[0].cache());
    until("it is refreshed", || site.calls() == 2).await;
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while send(&front, get("/users/1")).await.text() != "1" {
        assert!(std::time::Instant::now() < end);
    }
    assert_eq!(site.calls(), 2);
}

/// A handler that fails from its second call on.
fn failing_later(lines: &'static [(&'static str, &'static str)]) -> Site {
    let number = Arc::new(AtomicUsize::new(0));
    Site::new(move |_| {
        let number = number.fetch_add(1, SeqCst);
        async move { if number == 0 { with(lines, "good") } else { answer(503, &[], "bad") } }
    })
}

#[tokio::test]
async fn stale_is_better_than_a_failure() {
    let (clock, builder) = testing::clock();
    let cache = builder.build().unwrap();
    let site = failing_later(&[("cache-control", "max-age=10, stale-if-error=60")]);
    let front = front(users(&cache), &site);
    send(&front, get("/users/1")).await;
    clock.advance(Duration::from_secs(20));
    let stale = send(&front, get("/users/1")).await;
    assert_eq!((stale.status.as_u16(), stale.text(), site.calls()), (200, "good", 2));
    assert!(stale.cache().ends_with("detail=stale"));
    cache.invalidate(user("1")).await;
    let failed = send(&front, get("/users/1")).await;
    assert_eq!(
        (failed.status.as_u16(), failed.text()),
        (503, "bad"),
        "what was invalidated is gone"
    );
}

#[tokio::test]
async fn must_revalidate_never_stale() {
    for forbidding in ["must-revalidate", "proxy-revalidate", "s-maxage=10"] {
        let (clock, builder) = testing::clock();
        let cache = builder.build().unwrap();
        let text =
            format!("max-age=10, stale-if-error=60, stale-while-revalidate=60, {forbidding}");
        let text: &'static str = text.leak();
        let lines: &'static [_] = vec![("cache-control", text)].leak();
        let site = failing_later(lines);
        let layer = users(&cache).stale_if_error("1h").stale_while_revalidate("1h");
        let front = front(layer, &site);
        send(&front, get("/users/1")).await;
        assert!(send(&front, get("/users/1")).await.is_hit());
        clock.advance(Duration::from_secs(20));
        assert_eq!(send(&front, get("/users/1")).await.status, 503, "{forbidding}");
    }
}
