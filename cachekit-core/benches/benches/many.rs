//! A hundred warm keys over Redis: in one batch, beside one read after the other and a bare pipeline
//! with the same decoding.

#![allow(missing_docs)]

use std::{collections::HashMap, convert::Infallible, time::Duration};

use cachekit::{Cache, Policy, cached, key};
use cachekit_benches::{User, bare_connection, print_ratios, runtimes, time};
use cachekit_test_support::RedisServer;
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use redis::aio::MultiplexedConnection;
use tokio::runtime::Runtime;

const COUNT: u64 = 10_000;
const BATCH: i64 = 100;

#[cached(key = "user:<id>", ttl = "1h", cache = cache)]
async fn one(cache: &Cache, id: i64) -> Result<User, Infallible> {
    Ok(User::new(id))
}

#[cached(key = "user:<ids[]>", ttl = "1h", cache = cache)]
async fn many(cache: &Cache, ids: &[i64]) -> Result<HashMap<i64, User>, Infallible> {
    Ok(ids.iter().map(|id| (*id, User::new(*id))).collect())
}

/// A hundred ids that begin anywhere.
fn ids(first: i64) -> impl Iterator<Item = i64> {
    (first..first + BATCH).map(|id| id % COUNT as i64)
}

async fn singles(cache: Cache, first: i64) {
    for id in ids(first) {
        drop(one(&cache, id).await);
    }
}

async fn get_many(cache: Cache, first: i64) {
    let policy = Policy::new(Duration::from_secs(3600));
    let load =
        async |ids: Vec<i64>| Ok::<_, Infallible>(ids.into_iter().map(|id| (id, User::new(id))));
    let found = cache.get_many(ids(first), |id| key!("user:<id>"), &policy, load).await;
    assert_eq!(found.map(|found| found.len()), Ok(BATCH as usize));
}

async fn batch_function(cache: Cache, first: i64) {
    let ids: Vec<_> = ids(first).collect();
    assert_eq!(many(&cache, &ids).await.map(|found| found.len()), Ok(BATCH as usize));
}

async fn bare_pipeline(connection: MultiplexedConnection, first: i64) {
    let mut pipeline = redis::Pipeline::with_capacity(BATCH as usize);
    for id in ids(first) {
        pipeline.cmd("GET").arg(format!("bare:{id}"));
    }
    let mut connection = connection;
    let replies = connection.send_packed_commands(&pipeline, 0, BATCH as usize).await;
    let decode = |reply| match reply {
        redis::Value::BulkString(bytes) => rmp_serde::from_slice(&bytes).expect("a user"),
        other => panic!("{other:?}"),
    };
    let found: Vec<User> = replies.expect("replies").into_iter().map(decode).collect();
    assert_eq!(found.len(), BATCH as usize);
}

async fn warm(cache: &Cache, connection: &MultiplexedConnection) {
    for id in 0..COUNT as i64 {
        one(cache, id).await.expect("infallible");
        let bytes = rmp_serde::to_vec_named(&User::new(id)).expect("it encodes");
        let mut set = redis::cmd("SET");
        set.arg(format!("bare:{id}")).arg(bytes);
        let _: () = set.query_async(&mut connection.clone()).await.expect("a reply");
    }
}

fn bench<T, F>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    (name, with): (&str, &T),
    read: fn(T, i64) -> F,
) where
    T: Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    group.bench_function(name, |b| {
        b.iter_custom(|reads| {
            let with = with.clone();
            let call = move |first| read(with.clone(), first);
            runtime.block_on(time(1, reads, COUNT, call))
        });
    });
}

fn group(c: &mut Criterion, runtime: &Runtime, name: &str, server: &RedisServer) {
    let (cache, connection) = runtime.block_on(async {
        let cache = Cache::builder().namespace("bench").redis(&server.url()).await.expect("redis");
        let cache = cache.build().expect("a cache");
        let connection = bare_connection(&server.url()).await;
        warm(&cache, &connection).await;
        (cache, connection)
    });
    let cache = &cache;
    let name = format!("many_{name}_{BATCH}_keys");
    let mut group = c.benchmark_group(&name);
    group.sample_size(30);
    bench(&mut group, runtime, ("get_many", cache), get_many);
    bench(&mut group, runtime, ("batch_function", cache), batch_function);
    bench(&mut group, runtime, ("singles_in_sequence", cache), singles);
    bench(&mut group, runtime, ("bare_pipeline", &connection), bare_pipeline);
    group.finish();
    print_ratios(&name, &["get_many", "batch_function", "singles_in_sequence", "bare_pipeline"]);
}

fn main() {
    let server = RedisServer::start();
    let mut criterion = Criterion::default().configure_from_args();
    for (name, runtime) in runtimes() {
        group(&mut criterion, &runtime, name, &server);
    }
    criterion.final_summary();
}
