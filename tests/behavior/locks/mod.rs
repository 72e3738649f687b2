//! Locks over Redis: who holds one, who is told that it is lost, who gets it next.

mod attribute;
mod bank;
mod cancelled;
mod column;
mod dropped;
mod fencing;
mod forgotten;
mod holding;
mod losing;
mod metrics;
mod processes;
mod redlock;
mod several;
mod sql;
mod sql_loss;
mod state_loss;
mod stopped;
mod transaction;
mod waiting;

use std::time::Duration;

use cachekit::{Cache, Error, ErrorKind, Key, Lock, LockGuard, key};
use cachekit_test_support::{Connection, RedisServer, Reply};
use cachekit_tests::{cache, soon};

/// Longer than any of these tests: who gets the lock nevertheless was given it.
const LONG: Duration = Duration::from_secs(60);

/// `order:<id>`.
fn order(id: u64) -> Key {
    key!("order:<id>")
}

/// The lock of `order:1`, on terms that leave nothing to time.
fn lock(cache: &Cache) -> Lock {
    cache.lock(order(1)).lease(LONG).wait(LONG)
}

/// Takes the lock of `order:1`, which must be free or about to be.
async fn take(cache: &Cache) -> LockGuard {
    soon(lock(cache).acquire()).await.unwrap()
}

fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// The name in Redis of what belongs to the lock of `order:<id>`.
fn name(what: &str, id: u64) -> String {
    format!("ck~{what}:t:{{order:{id}}}")
}

/// What Redis holds, seen by hand.
struct Hand(Connection);

impl Hand {
    fn of(server: &RedisServer) -> Hand {
        Hand(server.connection())
    }

    fn call(&mut self, args: &[&str]) -> Reply {
        self.0.call(args)
    }

    /// Whether somebody has the lock of `order:<id>`.
    fn is_locked(&mut self, id: u64) -> bool {
        self.call(&["EXISTS", &name("lock", id)]) == Reply::Int(1)
    }

    /// For how long the count of `order:1` is kept; below 0 for ever.
    fn count_left_ms(&mut self) -> i64 {
        match self.call(&["PTTL", &name("fence", 1)]) {
            Reply::Int(left) => left,
            other => panic!("PTTL: {other:?}"),
        }
    }

    /// How many stand in line for `order:1`.
    fn waiting(&mut self) -> i64 {
        match self.call(&["ZCARD", &name("line", 1)]) {
            Reply::Int(waiting) => waiting,
            other => panic!("ZCARD: {other:?}"),
        }
    }
}

/// Two processes on one Redis, so far as that can tell.
async fn two(server: &RedisServer) -> (Cache, Cache) {
    (cache(&server.url()).await, cache(&server.url()).await)
}
