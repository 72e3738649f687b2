//! Questions to a Bloom filter: in process (`fastbloom`), bits in Redis, and ours, which is both.

#![allow(missing_docs, clippy::print_stderr)]

use std::{
    convert::Infallible,
    hint::black_box,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use cachekit::{Cache, bloom::Bloom};
use cachekit_benches::{bare_connection, print_ratios, runtimes, time};
use cachekit_test_support::RedisServer;
use criterion::Criterion;
use fastbloom::BloomFilter;
use futures_core::Stream;
use redis::aio::MultiplexedConnection;
use tokio::runtime::Runtime;

const COUNT: i64 = 1_000_000;
const HASHES: u64 = 7;
const BITS: u64 = 9_601_024;

struct Ids(std::ops::Range<i64>);

impl Stream for Ids {
    type Item = Result<i64, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

async fn ours(cache: &Cache) -> Bloom<i64> {
    let builder = Bloom::builder("users").expected(COUNT as u64).false_positives(0.01);
    let bloom = builder.settle(Duration::ZERO).build(cache).expect("a filter");
    let began = std::time::Instant::now();
    bloom.rebuild(|| Ids(0..COUNT)).await.expect("it is rebuilt");
    eprintln!("rebuilt with {COUNT} ids in {:?}: {:?}", began.elapsed(), bloom.stats().await);
    for id in 0..20_000 {
        assert!(bloom.may_contain(id).await);
    }
    bloom
}

/// Bits in Redis and nothing in process.
async fn bare(connection: &MultiplexedConnection, id: i64) -> bool {
    let mut command = redis::cmd("BITFIELD");
    command.arg("bare");
    let step = (id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for hash in 0..HASHES {
        command.arg("GET").arg("u1").arg(step.wrapping_mul(hash + 1) % BITS);
    }
    let bits: Vec<u8> = command.query_async(&mut connection.clone()).await.expect("a reply");
    bits.iter().all(|bit| *bit == 1)
}

fn group(c: &mut Criterion, runtime: &Runtime, name: &str, server: &RedisServer) {
    let cache = Cache::builder().namespace(name);
    let cache = runtime.block_on(async {
        cache.redis(&server.url()).await.expect("redis").build().expect("a cache")
    });
    let embedded = Cache::builder().build().expect("a cache");
    let (shared, local) = runtime.block_on(async { (ours(&cache).await, ours(&embedded).await) });
    let connection = runtime.block_on(bare_connection(&server.url()));
    let mut plain = BloomFilter::with_false_pos(0.01).expected_items(COUNT as usize);
    (0..COUNT).for_each(|id| {
        plain.insert(&id);
    });
    let plain = Arc::new(plain);

    for tasks in [1, 64] {
        let name = format!("bloom_{name}_{tasks}_tasks");
        let mut group = c.benchmark_group(&name);
        group.sample_size(20).measurement_time(Duration::from_secs(2));
        for (present, sign) in [("present", 1), ("absent", -1)] {
            let fast = plain.clone();
            let fast = move |id: i64| {
                let fast = fast.clone();
                async move { _ = black_box(fast.contains(&(id * sign))) }
            };
            group.bench_function(format!("fastbloom_{present}"), |b| {
                b.iter_custom(|asked| {
                    runtime.block_on(time(tasks, asked.max(tasks), 20_000, fast.clone()))
                });
            });
            for (which, bloom) in [("redis", &shared), ("embedded", &local)] {
                let bloom = bloom.clone();
                let ask = move |id: i64| {
                    let bloom = bloom.clone();
                    async move { _ = black_box(bloom.may_contain(id * sign).await) }
                };
                group.bench_function(format!("cachekit_{which}_{present}"), |b| {
                    b.iter_custom(|asked| {
                        runtime.block_on(time(tasks, asked.max(tasks), 20_000, ask.clone()))
                    });
                });
            }
        }
        let connection = connection.clone();
        let ask = move |id| {
            let connection = connection.clone();
            async move { _ = black_box(bare(&connection, id).await) }
        };
        group.bench_function("bits_in_redis", |b| {
            b.iter_custom(|asked| {
                runtime.block_on(time(tasks, asked.max(tasks), 20_000, ask.clone()))
            });
        });
        group.finish();
        let contenders = [
            "cachekit_redis_present",
            "cachekit_redis_absent",
            "cachekit_embedded_present",
            "cachekit_embedded_absent",
            "fastbloom_present",
            "fastbloom_absent",
            "bits_in_redis",
        ];
        print_ratios(&name, &contenders);
    }
}

fn main() {
    let server = RedisServer::start();
    let mut criterion = Criterion::default().configure_from_args();
    for (name, runtime) in runtimes() {
        group(&mut criterion, &runtime, name, &server);
    }
    criterion.final_summary();
}
