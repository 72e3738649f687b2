//! What the layers that share responses tell of themselves, and what they keep to themselves.

#![cfg(feature = "metrics")]

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use cachekit_tower::SingleflightLayer;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tower::{Layer as _, ServiceExt as _};
use tracing::{Event, Id, Instrument as _, Subscriber, field::Visit, span};

use crate::replies::{self, Site, cache, front, get, request, send, users, with};

/// Names and labels of metrics, and how often they changed; spans and events, a line each.
#[derive(Clone, Debug, Default)]
struct Told {
    metrics: Arc<Mutex<BTreeMap<String, u64>>>,
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<Mutex<Vec<(Id, &'static tracing::Metadata<'static>)>>>,
    entered: Arc<Mutex<Vec<Id>>>,
    /// Whether the layers' own spans are heard.
    deaf: bool,
}

struct Cell(Told, String);

impl Told {
    /// How often all metrics changed whose name and labels have these words.
    fn count(&self, words: &[&str]) -> u64 {
        let metrics = self.metrics.lock().unwrap();
        let named = metrics.iter().filter(|(key, _)| words.iter().all(|word| key.contains(word)));
        named.map(|(_, count)| count).sum()
    }

    fn lines(&self, word: &str) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line.contains(word)).cloned().collect()
    }

    /// All of it.
    fn text(&self) -> String {
        let names: Vec<_> = self.metrics.lock().unwrap().keys().cloned().collect();
        [names, self.lines.lock().unwrap().clone()].concat().join("\n")
    }

    fn cell(&self, key: &Key) -> Arc<Cell> {
        Arc::new(Cell(self.clone(), key.to_string()))
    }

    /// Runs it in a runtime of its own, and listens.
    fn of(work: impl Future<Output = ()>) -> Self {
        Self::default().hear(work)
    }

    fn hear(self, work: impl Future<Output = ()>) -> Self {
        let told = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tracing::subscriber::with_default(told.clone(), || {
            metrics::with_local_recorder(&told, || runtime.block_on(work));
        });
        told
    }
}

impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        *self.0.metrics.lock().unwrap().entry(self.1.clone()).or_default() += by;
    }

    fn absolute(&self, to: u64) {
        self.increment(to);
    }
}

impl HistogramFn for Cell {
    fn record(&self, _: f64) {
        self.increment(1);
    }
}

impl Recorder for Told {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        !self.deaf || metadata.name() != "cachekit.http"
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> Id {
        let mut line = span.metadata().name().to_owned();
        span.record(&mut Fields(&mut line));
        let mut lines = self.lines.lock().unwrap();
        lines.push(line);
        let id = Id::from_u64(lines.len() as u64);
        self.spans.lock().unwrap().push((id.clone(), span.metadata()));
        id
    }

    fn record(&self, id: &Id, values: &span::Record<'_>) {
        let mut lines = self.lines.lock().unwrap();
        values.record(&mut Fields(&mut lines[id.into_u64() as usize - 1]));
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = event.metadata().target().to_owned();
        event.record(&mut Fields(&mut line));
        self.lines.lock().unwrap().push(line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, id: &Id) {
        self.entered.lock().unwrap().push(id.clone());
    }

    fn exit(&self, id: &Id) {
        let left = self.entered.lock().unwrap().pop();
        assert_eq!(left.as_ref(), Some(id));
    }

    fn current_span(&self) -> tracing_core::span::Current {
        let entered = self.entered.lock().unwrap();
        let Some(id) = entered.last() else { return tracing_core::span::Current::none() };
        let spans = self.spans.lock().unwrap();
        let (id, metadata) = spans.iter().find(|(own, _)| own == id).unwrap();
        tracing_core::span::Current::new(id.clone(), metadata)
    }
}

const SECRETS: [&str; 4] = ["s3cret", "h.com", "token-of-ada", "user:s3"];

#[test]
fn the_cache_layer_tells_outcomes_and_no_path_and_no_key() {
    let told = Told::of(async {
        let site = Site::new(|request: replies::Seen| async move {
            match request.uri().query() {
                Some("private") => with(&[("cache-control", "private")], "mine"),
                _ => with(&[], "all's"),
            }
        });
        let front = front(users(&cache()), &site);
        for _ in 0..3 {
            send(&front, get("/users/s3cret")).await;
        }
        send(&front, get("/users/s3cret?private")).await;
        let who = [("authorization", "token-of-ada")];
        send(&front, request("GET", "/users/s3cret", &who)).await;
        send(&front, request("PUT", "/users/s3cret", &[])).await;
    });
    let requests = |labels: &[&str]| {
        told.count(&[&["cachekit_http_requests_total", "layer = "], labels].concat())
    };
    assert_eq!(requests(&["outcome = miss"]), 1, "{}", told.text());
    assert_eq!(requests(&["outcome = hit"]), 2);
    assert_eq!(requests(&["outcome = uncacheable", "reason = private"]), 1);
    assert_eq!(requests(&["outcome = bypass", "reason = credentials"]), 1);
    assert_eq!(requests(&["outcome = bypass", "reason = method"]), 1);
    assert_eq!(requests(&[]), 6, "each once");
    assert_eq!(told.count(&["cachekit_http_stored_total", "class = 2xx"]), 1);
    assert_eq!(told.count(&["cachekit_http_body_bytes"]), 3);
    let spans = told.lines("cachekit.http");
    assert_eq!(spans.len(), 4, "of those that are looked up: {spans:?}");
    assert!(spans.iter().all(|span| span.contains("template=user:<id>")), "{spans:?}");
    assert!(spans.iter().all(|span| span.contains(" outcome=") && span.contains(" reason=")));
    for secret in SECRETS {
        assert!(!told.text().contains(secret), "{secret}: {}", told.text());
    }
}

#[test]
fn the_singleflight_layer_tells_who_led_and_who_joined_and_no_path_and_no_key() {
    let told = Told::of(async {
        let cache = cache();
        let site = Site::new(|_| async {
            tokio::task::yield_now().await;
            with(&[], "x")
        });
        let layer = SingleflightLayer::fenced(&cache).path("/users/{id}").key("user:<id>");
        let service = layer.build().unwrap().layer(site.clone());
        let asked: Vec<_> =
            (0..5).map(|_| tokio::spawn(service.clone().oneshot(get("/users/s3cret")))).collect();
        for asked in asked {
            replies::reply(asked.await.unwrap().unwrap()).await;
        }
        assert_eq!(site.calls(), 1);
        let who = [("authorization", "token-of-ada")];
        let passed = service.oneshot(request("GET", "/users/s3cret", &who)).await.unwrap();
        replies::reply(passed).await;
    });
    let flights = |outcome: &str| told.count(&["cachekit_flight_total", "singleflight", outcome]);
    assert_eq!((flights("led"), flights("joined")), (1, 4), "{}", told.text());
    assert_eq!(told.count(&["cachekit_flight_members"]), 1);
    assert_eq!(told.count(&["cachekit_layer_passed_by_total", "reason = credentials"]), 1);
    for secret in SECRETS {
        assert!(!told.text().contains(secret), "{secret}: {}", told.text());
    }
}

/// A span of the user's may have fields of these names.
#[test]
fn the_cache_layer_writes_into_no_span_but_its_own() {
    for deaf in [false, true] {
        let told = Told { deaf, ..Told::default() }.hear(async {
            let span = tracing::info_span!(
                "users.own",
                outcome = tracing::field::Empty,
                reason = tracing::field::Empty
            );
            let front = front(users(&cache()), &Site::numbered(&[]));
            let who = [("authorization", "token-of-ada")];
            let asked = [
                get("/users/1"),
                get("/users/1"),
                request("GET", "/users/1", &who),
                request("PUT", "/users/1", &[]),
                request("HEAD", "/users/2", &[]),
            ];
            for asked in asked {
                send(&front, asked).instrument(span.clone()).await;
            }
        });
        assert_eq!(told.lines("users.own"), ["users.own"], "{deaf}");
        assert_eq!(told.lines("cachekit.http").len(), if deaf { 0 } else { 3 });
    }
}
