//! Taking and releasing a lock that nobody else wants, beside two bare round trips over the same kind of connection.

#![allow(missing_docs)]

use cachekit::{Cache, key};
use cachekit_benches::{bare_connection, print_ratios, rounds, runtimes, time};
use cachekit_test_support::RedisServer;
use criterion::Criterion;
use redis::aio::MultiplexedConnection;
use tokio::runtime::Runtime;

const COUNT: u64 = 10_000;

async fn ours(cache: &Cache, id: i64) {
    let guard = cache.lock(key!("order:<id>")).try_acquire().await;
    // Two tasks may want the same one.
    if let Ok(guard) = guard {
        guard.release().await.expect("it is held");
    }
}

async fn bare(connection: &MultiplexedConnection, id: i64) {
    let mut connection = connection.clone();
    let name = format!("bare:{id}");
    let mut set = redis::cmd("SET");
    set.arg(&name).arg("token").arg("NX").arg("PX").arg(10_000);
    connection.send_packed_command(&set).await.expect("a reply");
    let mut unlink = redis::cmd("UNLINK");
    unlink.arg(&name);
    connection.send_packed_command(&unlink).await.expect("a reply");
}

/// The same two scripts that a lock takes at the least: what of the distance is the server's. They keep no floor, forget
/// no count and wake nobody.
async fn scripts(connection: &MultiplexedConnection, id: i64, acquire: &str, release: &str) {
    let mut connection = connection.clone();
    let (lock, fence) = (format!("bare:{id}"), format!("fence:{id}"));
    let mut take = redis::cmd("EVALSHA");
    take.arg(acquire).arg(2).arg(&lock).arg(&fence).arg("token").arg(10_000);
    connection.send_packed_command(&take).await.expect("a reply");
    let mut give = redis::cmd("EVALSHA");
    give.arg(release).arg(1).arg(&lock).arg("token");
    connection.send_packed_command(&give).await.expect("a reply");
}

const ACQUIRE: &str = "if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then \
                       return redis.call('INCR', KEYS[2]) end return 0";
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end";

async fn load(connection: &MultiplexedConnection, script: &str) -> String {
    let mut load = redis::cmd("SCRIPT");
    load.arg("LOAD").arg(script);
    load.query_async(&mut connection.clone()).await.expect("a digest")
}

struct Contenders {
    cache: Cache,
    connection: MultiplexedConnection,
    acquire: String,
    release: String,
}

async fn contenders(server: &RedisServer) -> Contenders {
    let cache = Cache::builder().namespace("bench").redis(&server.url()).await.expect("redis");
    let cache = cache.build().expect("a cache");
    let connection = bare_connection(&server.url()).await;
    let acquire = load(&connection, ACQUIRE).await;
    let release = load(&connection, RELEASE).await;
    Contenders { cache, connection, acquire, release }
}

#[allow(clippy::print_stdout)]
fn group(c: &mut Criterion, runtime: &Runtime, name: &str, server: &RedisServer) {
    let Contenders { cache, connection, acquire, release } = runtime.block_on(contenders(server));
    for tasks in [1, 64] {
        let name = format!("lock_{name}_{tasks}_tasks");
        let mut group = c.benchmark_group(&name);
        group.sample_size(30);
        let locked = {
            let cache = cache.clone();
            move |id| {
                let cache = cache.clone();
                async move { ours(&cache, id).await }
            }
        };
        let bare_trips = {
            let connection = connection.clone();
            move |id| {
                let connection = connection.clone();
                async move { bare(&connection, id).await }
            }
        };
        let bare_scripts = {
            let (connection, acquire, release) =
                (connection.clone(), acquire.clone(), release.clone());
            move |id| {
                let (connection, acquire, release) =
                    (connection.clone(), acquire.clone(), release.clone());
                async move { scripts(&connection, id, &acquire, &release).await }
            }
        };
        group.bench_function("cachekit", |b| {
            b.iter_custom(|calls| {
                runtime.block_on(time(tasks, calls.max(tasks), COUNT, locked.clone()))
            });
        });
        group.bench_function("two_round_trips", |b| {
            b.iter_custom(|calls| {
                runtime.block_on(time(tasks, calls.max(tasks), COUNT, bare_trips.clone()))
            });
        });
        group.bench_function("two_bare_scripts", |b| {
            b.iter_custom(|calls| {
                runtime.block_on(time(tasks, calls.max(tasks), COUNT, bare_scripts.clone()))
            });
        });
        group.finish();
        print_ratios(&name, &["cachekit", "two_round_trips", "two_bare_scripts"]);
        let calls = (tasks * 100).max(1_000);
        for (what, [low, median, high]) in [
            (
                "two round trips",
                runtime.block_on(rounds(
                    || time(tasks, calls, COUNT, bare_trips.clone()),
                    || time(tasks, calls, COUNT, locked.clone()),
                )),
            ),
            (
                "two bare scripts",
                runtime.block_on(rounds(
                    || time(tasks, calls, COUNT, bare_scripts.clone()),
                    || time(tasks, calls, COUNT, locked.clone()),
                )),
            ),
        ] {
            println!(
                "  in turns: {median:.2} × the time of {what} (quartiles {low:.2}, {high:.2})"
            );
        }
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
