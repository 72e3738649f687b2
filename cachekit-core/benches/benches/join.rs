//! Callers of one cold key, who come while its load runs: what each of them costs as they grow.

#![allow(missing_docs)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cachekit::{Cache, cached};
use cachekit_benches::{print_ratios, runtimes};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, measurement::WallTime};
use tokio::{runtime::Runtime, sync::Semaphore};

/// Lets loads end once the last caller has come. It stays open: a cache may drop what it was given before a caller that
/// has come looks for it, which then loads again.
struct Gate {
    missing: AtomicU64,
    /// Closed, it lets everybody go.
    shut: Semaphore,
}

impl Gate {
    fn new(callers: u64) -> Arc<Self> {
        Arc::new(Self { missing: AtomicU64::new(callers), shut: Semaphore::new(0) })
    }

    fn arrive(&self) {
        if self.missing.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.shut.close();
        }
    }

    async fn load(&self, id: i64) -> Arc<i64> {
        assert!(self.shut.acquire().await.is_err());
        Arc::new(id)
    }
}

#[cached(key = "number:<id>", ttl = "1h")]
async fn ours(gate: &Gate, id: i64) -> Arc<i64> {
    gate.load(id).await
}

type Moka = moka::future::Cache<String, Arc<i64>>;

async fn of_moka(moka: &Moka, gate: &Gate, id: i64) -> Arc<i64> {
    moka.get_with(format!("number:{id}"), gate.load(id)).await
}

/// One round: `callers` tasks, one load.
async fn round<F: Future<Output = Arc<i64>> + Send + 'static>(
    callers: u64,
    call: impl Fn(Arc<Gate>, i64) -> F,
) {
    static NEXT: AtomicI64 = AtomicI64::new(0);
    let (gate, id) = (Gate::new(callers), NEXT.fetch_add(1, Ordering::Relaxed));
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (call, gate) = (call(gate.clone(), id), gate.clone());
            tokio::spawn(async move {
                gate.arrive();
                call.await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(*task.await.expect("no panic"), id);
    }
}

/// Reports the time of a round divided by its callers.
fn contender<F: Future<Output = Arc<i64>> + Send + 'static>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    (name, callers): (&str, u64),
    call: impl Fn(Arc<Gate>, i64) -> F,
) {
    group.bench_function(BenchmarkId::from_parameter(name), |b| {
        b.iter_custom(|rounds| {
            let begun = Instant::now();
            runtime.block_on(async {
                for _ in 0..rounds {
                    round(callers, &call).await;
                }
            });
            begun.elapsed().div_f64(callers as f64)
        });
    });
}

fn group(c: &mut Criterion, runtime: &Runtime, name: &str, callers: u64) {
    let name = format!("join_{name}_{callers}_callers");
    let mut group = c.benchmark_group(&name);
    contender(&mut group, runtime, ("cachekit", callers), |gate, id| async move {
        ours(&gate, id).await
    });
    let moka = Moka::builder().max_capacity(10_000).time_to_live(Duration::from_secs(3600)).build();
    contender(&mut group, runtime, ("moka", callers), |gate, id| {
        let moka = moka.clone();
        async move { of_moka(&moka, &gate, id).await }
    });
    // What the tasks and the gate cost alone.
    contender(&mut group, runtime, ("tasks_alone", callers), |_, id| async move { Arc::new(id) });
    group.finish();
    print_ratios(&name, &["cachekit", "moka", "tasks_alone"]);
}

fn main() {
    let cache = Cache::builder().max_entries(10_000).build().expect("the defaults");
    cache.install().expect("the first one");
    let mut criterion = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    for (name, runtime) in runtimes() {
        for callers in [1, 8, 64, 512, 4096] {
            group(&mut criterion, &runtime, name, callers);
        }
    }
    criterion.final_summary();
}
