//! The metrics of a test, as a recorder has them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// The values of all metrics by their names and labels; of a histogram the last. To be given to
/// [`metrics::with_local_recorder`].
#[derive(Clone, Debug, Default)]
pub struct Values(Arc<Mutex<BTreeMap<String, Value>>>);

#[derive(Clone, Copy, Debug, Default)]
struct Value {
    now: f64,
    changes: u64,
}

/// One metric.
struct Cell(Values, String);

impl Values {
    /// The value of the first metric whose name and labels have these words.
    #[must_use]
    pub fn get(&self, name: &str, label: &str) -> Option<f64> {
        self.find(name, label).map(|value| value.now)
    }

    /// How often it was changed.
    #[must_use]
    pub fn changes(&self, name: &str, label: &str) -> u64 {
        self.find(name, label).map_or(0, |value| value.changes)
    }

    /// All names and labels, a metric a line.
    #[must_use]
    pub fn text(&self) -> String {
        self.all().keys().map(|key| format!("{key}\n")).collect()
    }

    fn find(&self, name: &str, label: &str) -> Option<Value> {
        let values = self.all();
        values.iter().find(|(key, _)| key.contains(name) && key.contains(label)).map(|(_, v)| *v)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cell(&self, key: &Key) -> Arc<Cell> {
        Arc::new(Cell(self.clone(), key.to_string()))
    }
}

impl Cell {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut values = self.0.all();
        let value = values.entry(self.1.clone()).or_default();
        *value = Value { now: change(value.now), changes: value.changes + 1 };
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

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        self.change(|_| value);
    }
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

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}
