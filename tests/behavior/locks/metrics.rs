//! What locks tell of themselves: how they were asked for, held and lost, by templates and never by keys.

use std::{
    fmt::{self, Write as _},
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use cachekit::{Cache, ErrorKind, Lock, SqlLock, fencing, observe::names};
use cachekit_test_support::RedisServer;
use cachekit_tests::{Values, cache, first_poll, soon, until, until_async};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use super::{Hand, LONG, kind, name, order, two};

/// Stands in every key, and may stand nowhere else.
const ID: u64 = 47_114_711;

const OWNER: &str = "request 7";

fn lock(cache: &Cache) -> Lock {
    cache.lock(order(ID)).lease(Duration::from_millis(600)).owner(OWNER)
}

/// Runs a test whose tasks are all in this thread, and gives it what the locks told.
fn told(test: impl AsyncFnOnce(Values)) {
    let values = Values::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&values, || runtime.block_on(test(values.clone())));
    let text = values.text();
    assert!(!text.contains(&ID.to_string()) && !text.contains(OWNER), "{text}");
    for line in text.lines().filter(|line| line.contains("cachekit_lock")) {
        assert!(line.contains("template = order:<id>"), "{line}");
    }
}

/// Begins to wait, and does not go on.
fn give_up(acquire: impl Future) {
    assert!(first_poll(pin!(acquire)).is_pending());
}

/// How many locks were asked for in vain or not, so far.
fn asked(values: &Values, outcome: &str) -> f64 {
    let label = format!("outcome = {outcome}");
    let count = values.get(names::LOCKS, &label).unwrap_or_default();
    let waits = values.changes(names::LOCK_WAIT_SECONDS, &label);
    assert!((count - waits as f64).abs() < 0.5, "each has a time: {count}, {waits}");
    count
}

fn count(values: &Values, name: &str, label: &str) -> f64 {
    values.get(name, label).unwrap_or_default()
}

#[test]
fn every_outcome_of_an_acquisition_is_told_with_its_wait() {
    told(async |values| {
        let mut server = RedisServer::start();
        let (own, other) = two(&server).await;
        let guard = lock(&own).acquire().await.unwrap();
        assert_eq!(asked(&values, "acquired"), 1.0);
        assert_eq!(kind(lock(&own).try_acquire().await), Some(ErrorKind::Busy));
        assert_eq!(asked(&values, "busy"), 1.0);
        assert_eq!(count(&values, names::LOCKS_CONTENDED, "among = process"), 1.0);
        assert_eq!(count(&values, names::LOCKS_CONTENDED, "among = store"), 0.0);
        let short = lock(&other).wait(Duration::from_millis(60));
        assert_eq!(kind(short.acquire().await), Some(ErrorKind::WaitExhausted));
        assert_eq!(asked(&values, "wait_exhausted"), 1.0);
        assert_eq!(count(&values, names::LOCKS_CONTENDED, "among = store"), 1.0);
        let waited = values.get(names::LOCK_WAIT_SECONDS, "outcome = wait_exhausted").unwrap();
        assert!((0.06..2.0).contains(&waited), "in seconds: {waited}");
        give_up(lock(&own).acquire());
        assert_eq!(asked(&values, "cancelled"), 1.0);
        guard.release().await.unwrap();
        server.kill();
        until_async("the link is down", async || {
            kind(lock(&own).try_acquire().await) == Some(ErrorKind::Unavailable)
        })
        .await;
        assert!(asked(&values, "unavailable") >= 1.0);
    });
}

#[test]
fn a_crowd_is_told_as_such() {
    told(async |values| {
        let cache = Cache::builder().build().unwrap();
        let _held = lock(&cache).acquire().await.unwrap();
        let mut crowd: Vec<_> = (0..1023).map(|_| Box::pin(lock(&cache).acquire())).collect();
        assert!(crowd.iter_mut().all(|waiting| first_poll(waiting.as_mut()).is_pending()));
        assert_eq!(kind(lock(&cache).acquire().await), Some(ErrorKind::Overloaded));
        assert_eq!(asked(&values, "overloaded"), 1.0);
        drop(crowd);
        assert_eq!(asked(&values, "cancelled"), 1023.0);
    });
}

#[test]
fn holds_renewals_and_losses_are_told_once_each() {
    told(async |values| {
        let server = RedisServer::start();
        let (cache, mut hand) = (cache(&server.url()).await, Hand::of(&server));
        let lost = |reason: &str| count(&values, names::LOCKS_LOST, &format!("= {reason}]"));
        let holds = || values.changes(names::LOCK_HOLD_SECONDS, "");
        let guard = lock(&cache).acquire().await.unwrap();
        let renewed = || count(&values, names::LOCK_RENEWALS, "outcome = renewed");
        until("it is renewed", || renewed() >= 2.0).await;
        guard.release().await.unwrap();
        assert_eq!(holds(), 1);
        let held = values.get(names::LOCK_HOLD_SECONDS, "").unwrap();
        assert!((0.4..5.0).contains(&held), "in seconds: {held}");
        for (reason, by_hand) in [("deleted", "DEL"), ("taken", "SET"), ("max_hold", "PING")] {
            let short = Duration::from_millis(if by_hand == "PING" { 300 } else { 60_000 });
            let guard = soon(lock(&cache).max_hold(short).acquire()).await.unwrap();
            match by_hand {
                "DEL" => drop(hand.call(&["DEL", &name("lock", ID)])),
                "SET" => drop(hand.call(&["SET", &name("lock", ID), "another's"])),
                _ => {}
            }
            soon(guard.lost()).await;
            drop(guard);
            until(reason, || lost(reason) >= 1.0).await;
            hand.call(&["DEL", &name("lock", ID)]);
        }
        let guard = soon(lock(&cache).acquire()).await.unwrap();
        server.stop_with_sigstop();
        soon(guard.lost()).await;
        drop(guard);
        until("it is lost", || lost("expired") >= 1.0).await;
        until("renewals fail", || count(&values, names::LOCK_RENEWALS, "= failed]") >= 1.0).await;
        server.cont();
        soon(cache.shutdown()).await.unwrap();
        for reason in ["deleted", "taken", "max_hold", "expired"] {
            assert_eq!(lost(reason), 1.0, "{reason}");
        }
        assert_eq!(holds(), 1, "what was lost is no hold");
    });
}

#[test]
fn locks_of_a_database_tell_the_same() {
    told(async |values| {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", dir.path().join("db").display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        fencing::migrate(&pool).await.unwrap();
        let locks = SqlLock::new(&pool);
        let lock = || locks.lock(order(ID)).lease(Duration::from_millis(600));
        let guard = lock().acquire().await.unwrap();
        assert_eq!(kind(lock().try_acquire().await), Some(ErrorKind::Busy));
        give_up(lock().acquire());
        let renewed = || count(&values, names::LOCK_RENEWALS, "outcome = renewed");
        until("it is renewed", || renewed() >= 1.0).await;
        guard.release().await.unwrap();
        for outcome in ["acquired", "busy", "cancelled"] {
            assert_eq!(asked(&values, outcome), 1.0, "{outcome}");
        }
        assert_eq!(count(&values, names::LOCKS_CONTENDED, "among = process"), 2.0);
        assert_eq!(values.changes(names::LOCK_HOLD_SECONDS, ""), 1);
    });
}

#[test]
fn the_span_has_template_owner_and_outcome_and_nothing_tells_the_key_or_the_token() {
    let spans = Spans::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = tracing::subscriber::set_default(spans.clone());
    runtime.block_on(async {
        let server = RedisServer::start();
        let (own, other) = two(&server).await;
        let guard = lock(&own).acquire().await.unwrap();
        let token = Hand::of(&server).call(&["GET", &name("lock", ID)]).bytes().unwrap();
        let bits = String::from_utf8_lossy(&token[..32]).into_owned();
        assert!(lock(&other).try_acquire().await.is_err());
        give_up(lock(&other).acquire());
        println!("{guard:?}");
        drop(guard);
        soon(lock(&other).wait(LONG).acquire()).await.unwrap().release().await.unwrap();
        let text = spans.text();
        for outcome in ["acquired", "busy", "cancelled"] {
            let head = "span cachekit.lock template=\"order:<id>\" owner=\"request 7\" keys=1";
            let has = |line: &str| {
                line.contains(head) && line.contains(&format!("outcome=\"{outcome}\""))
            };
            assert!(text.lines().any(has), "{outcome}: {text}");
        }
        assert!(!text.contains(&ID.to_string()), "{text}");
        assert!(!text.contains(&bits), "{text}");
    });
}

/// Every span and event as a line; what a span learns later is added to its line.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<String>>>);

impl Spans {
    fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Subscriber for Spans {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut lines = self.0.lock().unwrap();
        let mut line = format!("span {}", span.metadata().name());
        span.record(&mut Line(&mut line));
        lines.push(line);
        Id::from_u64(lines.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut lines = self.0.lock().unwrap();
        let line = usize::try_from(span.into_u64()).unwrap() - 1;
        values.record(&mut Line(&mut lines[line]));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = String::from("event");
        event.record(&mut Line(&mut line));
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}
