//! What a local tier tells of itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use cachekit::{LocalState, LocalTier, observe::names};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{until, with_local};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};

use super::{local, read, until_kept};

/// The values of all metrics by their names and labels.
#[derive(Clone, Debug, Default)]
struct Values(Arc<Mutex<BTreeMap<String, f64>>>);

/// One metric.
struct Cell(Values, String);

impl Values {
    fn get(&self, name: &str, label: &str) -> Option<f64> {
        let values = self.0.lock().unwrap();
        values.iter().find(|(key, _)| key.contains(name) && key.contains(label)).map(|(_, v)| *v)
    }

    fn cell(&self, key: &Key) -> Arc<Cell> {
        Arc::new(Cell(self.clone(), key.to_string()))
    }
}

impl Cell {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut values = (self.0).0.lock().unwrap();
        let value = values.entry(self.1.clone()).or_default();
        *value = change(*value);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, by: f64) {
        self.change(|value| value + by);
    }

    fn decrement(&self, by: f64) {
        self.change(|value| value - by);
    }

    fn set(&self, to: f64) {
        self.change(|_| to);
    }
}

impl CounterFn for Cell {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn increment(&self, by: u64) {
        self.change(|value| value + by as f64);
    }

    fn absolute(&self, _: u64) {}
}

impl Recorder for Values {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn the_horizon_s_age_and_hits_of_copies_are_told() {
    let values = Values::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let age = || values.get(names::L1_HORIZON_SECONDS, "namespace = t");
    let hits = || values.get(names::READS, "tier = local").unwrap_or_default();
    metrics::with_local_recorder(&values, || {
        runtime.block_on(async {
            let server = RedisServer::start();
            let proxy = Proxy::start(server.port());
            let near = with_local(&proxy.url(), local()).await;
            until_kept(&proxy, &near, 1, 1).await;
            until("its age is told", || age().is_some_and(|age| age < 0.4)).await;
            let before = hits();
            for _ in 0..100 {
                assert_eq!(read(&near, 1, 0).await, 1);
            }
            until("hits are told by a process that has nothing else", || hits() >= before + 100.0)
                .await;
            let silence = proxy.hold_pushes();
            until("it grows while nothing comes", || age().is_some_and(|age| age > 0.5)).await;
            assert_eq!(near.local_state(), LocalState::Suspect);
            drop(silence);
            until("it is small again", || age().is_some_and(|age| age < 0.4)).await;
            let LocalState::Live { behind } = near.local_state() else { panic!("it is served") };
            assert!(behind < Duration::from_millis(400));
            drop(LocalTier::default());
        });
    });
}
