//! Hits in Redis: an attributed function beside a bare `GET` with the same decoding, over the same
//! kind of connection.

#![allow(missing_docs)]

use std::{convert::Infallible, sync::Arc};

use cachekit::{Cache, cached};
use cachekit_benches::{User, bare_connection, print_ratios, rounds, runtimes, time};
use cachekit_test_support::RedisServer;
use criterion::Criterion;
use redis::aio::MultiplexedConnection;
use tokio::runtime::Runtime;

const COUNT: u64 = 10_000;

#[cached(key = "user:<id>", ttl = "1h", cache = cache)]
async fn ours(cache: &Cache, id: i64) -> Result<Arc<User>, Infallible> {
    Ok(Arc::new(User::new(id)))
}

async fn bare(connection: &MultiplexedConnection, id: i64) -> Arc<User> {
    let mut command = redis::cmd("GET");
    command.arg(format!("bare:{id}"));
    let mut connection = connection.clone();
    match connection.send_packed_command(&command).await.expect("a reply") {
        redis::Value::BulkString(bytes) => Arc::new(rmp_serde::from_slice(&bytes).expect("a user")),
        other => panic!("{other:?}"),
    }
}

struct Contenders {
    cache: Cache,
    connection: MultiplexedConnection,
}

async fn contenders(server: &RedisServer) -> Contenders {
    let cache = Cache::builder().namespace("bench").redis(&server.url()).await.expect("redis");
    let cache = cache.build().expect("a cache");
    let connection = bare_connection(&server.url()).await;
    for id in 0..COUNT as i64 {
        ours(&cache, id).await.expect("infallible");
        let bytes = rmp_serde::to_vec_named(&User::new(id)).expect("it encodes");
        let mut set = redis::cmd("SET");
        set.arg(format!("bare:{id}")).arg(bytes);
        let _: () = set.query_async(&mut connection.clone()).await.expect("a reply");
    }
    Contenders { cache, connection }
}

#[allow(clippy::print_stdout)]
fn group(c: &mut Criterion, runtime: &Runtime, name: &str, server: &RedisServer) {
    let Contenders { cache, connection } = runtime.block_on(contenders(server));
    for tasks in [1, 64, 512] {
        let name = format!("redis_hit_{name}_{tasks}_tasks");
        let mut group = c.benchmark_group(&name);
        group.sample_size(30);
        let cached = {
            let cache = cache.clone();
            move |id| {
                let cache = cache.clone();
                async move { drop(ours(&cache, id).await) }
            }
        };
        group.bench_function("cachekit", |b| {
            b.iter_custom(|reads| {
                runtime.block_on(time(tasks, reads.max(tasks), COUNT, cached.clone()))
            });
        });
        let got = {
            let connection = connection.clone();
            move |id| {
                let connection = connection.clone();
                async move { drop(bare(&connection, id).await) }
            }
        };
        group.bench_function("bare_get", |b| {
            b.iter_custom(|reads| {
                runtime.block_on(time(tasks, reads.max(tasks), COUNT, got.clone()))
            });
        });
        group.finish();
        print_ratios(&name, &["cachekit", "bare_get"]);
        let reads = (tasks * 200).max(2_000);
        let [low, median, high] = runtime.block_on(rounds(
            || time(tasks, reads, COUNT, cached.clone()),
            || time(tasks, reads, COUNT, got.clone()),
        ));
        println!("  in turns: {median:.2} × the reads of bare_get (quartiles {low:.2}, {high:.2})");
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
