//! Hits in a coherent tier over Redis beside hits of a cache in one process, and how many invalidations a second that
//! tier is told of.

#![allow(missing_docs, clippy::print_stdout)]

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use cachekit::{Cache, LocalState, LocalTier, cached};
use cachekit_benches::{Keys, User, bare_connection, print_ratios};
use cachekit_test_support::RedisServer;
use criterion::Criterion;
use redis::aio::MultiplexedConnection;

const COUNT: u64 = 10_000;

#[cached(key = "user:<id>", ttl = "1h", cache = cache)]
async fn user(cache: &Cache, id: i64) -> Result<Arc<User>, Infallible> {
    Ok(Arc::new(User::new(id)))
}

/// Polls a future that is ready at once; `None` if it is not: that was no hit in this process.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(out) => Some(out),
        std::task::Poll::Pending => None,
    }
}

async fn tier(server: &RedisServer, namespace: &str) -> Cache {
    let builder =
        Cache::builder().namespace(namespace).local(LocalTier::new().max_entries(100_000));
    let cache = builder.redis(&server.url()).await.expect("redis").build().expect("a cache");
    while cache.local_state() == LocalState::Suspect {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cache
}

/// Reads every key until it is a hit in this process.
async fn warm(cache: &Cache, count: u64) {
    for id in 0..count as i64 {
        while now(user(cache, id)).is_none() {
            drop(user(cache, id).await);
        }
    }
}

fn hits(c: &mut Criterion, runtime: &tokio::runtime::Runtime, server: &RedisServer) {
    let embedded = Cache::builder().max_entries(100_000).build().expect("the defaults");
    let tier = runtime.block_on(tier(server, "hits"));
    runtime.block_on(async {
        warm(&embedded, COUNT).await;
        warm(&tier, COUNT).await;
    });
    for (name, count) in [("tier_hit_10000_keys", COUNT), ("tier_hit_one_key", 1)] {
        let mut group = c.benchmark_group(name);
        for (contender, cache) in [("tier", &tier), ("embedded", &embedded)] {
            let (mut keys, mut misses) = (Keys::new(count), 0_u64);
            group.bench_function(contender, |b| {
                b.iter(|| {
                    misses += u64::from(black_box(now(user(cache, keys.next_key()))).is_none())
                });
            });
            println!("{name}/{contender}: {misses} reads were no hits in this process");
        }
        group.finish();
        print_ratios(name, &["tier", "embedded"]);
    }
}

/// Sets keys of the tier's namespace: each is told of.
async fn flood(connection: &mut MultiplexedConnection, from: u64, count: u64) {
    let mut pipeline = redis::Pipeline::with_capacity(count as usize);
    for id in from..from + count {
        pipeline.cmd("SET").arg(format!("ck:pushes:user:{}", 1 + id % 100_000)).arg("").ignore();
    }
    let _: () = pipeline.query_async(connection).await.expect("replies");
}

/// Until the tier has heard of what happened before this call.
async fn heard(cache: &Cache, connection: &mut MultiplexedConnection) {
    let _: i64 = redis::cmd("UNLINK")
        .arg("ck:pushes:user:0")
        .query_async(connection)
        .await
        .expect("a reply");
    while now(user(cache, 0)).is_some() {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

async fn pushes(server: &RedisServer) {
    let cache = tier(server, "pushes").await;
    let mut connection = bare_connection(&server.url()).await;
    warm(&cache, 1).await;
    let (began, total) = (Instant::now(), 1_000_000);
    for batch in 0..total / 1000 {
        flood(&mut connection, batch * 1000, 1000).await;
    }
    let sent = began.elapsed();
    heard(&cache, &mut connection).await;
    let rate = total as f64 / began.elapsed().as_secs_f64();
    println!(
        "pushes as fast as they come: {rate:.0} a second, the last {:?} after its command",
        began.elapsed() - sent
    );

    warm(&cache, 1).await;
    let (began, mut sent, mut behind, mut served) = (Instant::now(), 0, Duration::ZERO, 0);
    let mut looks = 0;
    while began.elapsed() < Duration::from_secs(5) {
        let due = (began.elapsed().as_secs_f64() * 50_000.0) as u64;
        if due > sent {
            flood(&mut connection, sent, due - sent).await;
            sent = due;
        }
        looks += 1;
        if let LocalState::Live { behind: age } = cache.local_state() {
            behind = behind.max(age);
            served += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let rate = sent as f64 / began.elapsed().as_secs_f64();
    let last = Instant::now();
    heard(&cache, &mut connection).await;
    println!(
        "pushes at {rate:.0} a second for 5 s: at most {behind:?} behind, served at {served} of {looks} looks, the last heard of {:?} after its command",
        last.elapsed()
    );
}

fn main() {
    let server = RedisServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("tokio");
    let _entered = runtime.enter();
    let mut criterion = Criterion::default().configure_from_args();
    hits(&mut criterion, &runtime, &server);
    runtime.block_on(pushes(&server));
    criterion.final_summary();
}
