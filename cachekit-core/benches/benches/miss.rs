//! Misses: an attributed function whose body costs nothing, beside its peers; in this process, and
//! over Redis beside a bare `GET` and `SET` with the same encoding. Every call has a key of its own.

#![allow(missing_docs)]

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use cachekit::{Cache, cached};
use cachekit_benches::{User, bare_connection, print_ratios, runtimes, time};
use cachekit_test_support::RedisServer;
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use redis::aio::MultiplexedConnection;
use tokio::runtime::Runtime;

/// Every cache is full most of the time, so that a miss evicts as well.
const CAPACITY: usize = 10_000;

const HOUR: Duration = Duration::from_secs(3600);

/// A key that nobody has used.
fn fresh_id() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

// ===== in this process =====

#[cached(key = "number:<id>", ttl = "1h")]
async fn ours(id: i64) -> Result<Arc<i64>, Infallible> {
    Ok(Arc::new(id))
}

async fn load(id: i64) -> Result<Arc<i64>, Infallible> {
    Ok(Arc::new(id))
}

fn contender<F: Future>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    name: &str,
    read: impl Fn(i64) -> F,
) {
    group.bench_function(name, |b| b.to_async(runtime).iter(|| read(fresh_id())));
}

fn embedded(c: &mut Criterion, runtime: &Runtime) {
    let mut group = c.benchmark_group("miss");
    contender(&mut group, runtime, "cachekit", ours);
    peers(&mut group, runtime);
    group.finish();
    let peers = ["moka_get_with", "moka_try_get_with", "quick_cache"];
    print_ratios("miss", &[&["cachekit"], &peers[..]].concat());
}

fn peers(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime) {
    let moka = moka::future::Cache::<String, Arc<i64>>::builder()
        .max_capacity(CAPACITY as u64)
        .time_to_live(HOUR)
        .build();
    contender(group, runtime, "moka_get_with", |id| {
        let moka = &moka;
        async move { moka.get_with(format!("number:{id}"), async { Arc::new(id) }).await }
    });
    contender(group, runtime, "moka_try_get_with", |id| {
        let moka = &moka;
        async move { moka.try_get_with(format!("number:{id}"), load(id)).await }
    });
    // It has no expiry.
    let quick = quick_cache::sync::Cache::<String, Arc<i64>>::new(CAPACITY);
    contender(group, runtime, "quick_cache", |id| {
        let quick = &quick;
        async move { quick.get_or_insert_async(format!("number:{id}").as_str(), load(id)).await }
    });
}

// ===== over Redis =====

#[cached(key = "user:<id>", ttl = "5s", cache = cache)]
async fn ours_in_redis(cache: &Cache, id: i64) -> Result<Arc<User>, Infallible> {
    Ok(Arc::new(User::new(id)))
}

/// Reads, loads and stores, as most services do it by hand.
async fn bare(connection: &MultiplexedConnection, id: i64) -> Arc<User> {
    let mut connection = connection.clone();
    let mut get = redis::cmd("GET");
    get.arg(format!("bare:{id}"));
    let found = connection.send_packed_command(&get).await.expect("a reply");
    assert_eq!(found, redis::Value::Nil, "it is a miss");
    let user = Arc::new(User::new(id));
    let mut set = redis::cmd("SET");
    let bytes = rmp_serde::to_vec_named(&*user).expect("it encodes");
    set.arg(format!("bare:{id}")).arg(bytes).arg("PX").arg(5000);
    connection.send_packed_command(&set).await.expect("a reply");
    user
}

fn over_redis(c: &mut Criterion, runtime: &Runtime, name: &str, server: &RedisServer) {
    let connect = async {
        let builder = Cache::builder().namespace("bench").redis(&server.url()).await;
        (builder.expect("redis").build().expect("a cache"), bare_connection(&server.url()).await)
    };
    let (cache, connection) = runtime.block_on(connect);
    for tasks in [1, 64] {
        let name = format!("redis_miss_{name}_{tasks}_tasks");
        let mut group = c.benchmark_group(&name);
        group.sample_size(30);
        let cache = cache.clone();
        let ours = move |_| {
            let cache = cache.clone();
            async move { drop(ours_in_redis(&cache, fresh_id()).await) }
        };
        group.bench_function("cachekit", |b| {
            b.iter_custom(|calls| runtime.block_on(time(tasks, calls.max(tasks), 1, ours.clone())));
        });
        let connection = connection.clone();
        let theirs = move |_| {
            let connection = connection.clone();
            async move { drop(bare(&connection, fresh_id()).await) }
        };
        group.bench_function("bare_get_set", |b| {
            b.iter_custom(|calls| {
                runtime.block_on(time(tasks, calls.max(tasks), 1, theirs.clone()))
            });
        });
        group.finish();
        print_ratios(&name, &["cachekit", "bare_get_set"]);
    }
}

fn main() {
    let cache = Cache::builder().max_entries(CAPACITY).build().expect("the defaults");
    cache.install().expect("the first one");
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let runtimes = runtimes();
    embedded(&mut criterion, &runtimes[0].1);
    let server = RedisServer::start();
    for (name, runtime) in &runtimes {
        over_redis(&mut criterion, runtime, name, &server);
    }
    criterion.final_summary();
}
