//! Callers at once, the runtimes they run on, and a bare connection for those that use no cache.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use tokio::runtime::{Builder, Runtime};

use crate::Keys;

const ROUNDS: usize = 40;

/// Each runtime that is measured, with its name.
///
/// # Panics
/// When the system has no threads left.
pub fn runtimes() -> [(&'static str, Runtime); 2] {
    let current = Builder::new_current_thread().enable_all().build().expect("tokio");
    let two = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    [("current_thread", current), ("two_workers", two)]
}

/// Time of `calls` calls by `tasks` tasks at once, with keys from 0 to `count` − 1.
///
/// # Panics
/// When a call does.
pub async fn time<F: Future<Output = ()> + Send + 'static>(
    tasks: u64,
    calls: u64,
    count: u64,
    call: impl Fn(i64) -> F + Clone + Send + 'static,
) -> Duration {
    let share = calls.div_ceil(tasks);
    let begun = Instant::now();
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let call = call.clone();
            tokio::spawn(async move {
                let mut keys = Keys::seeded(count, task);
                for _ in 0..share {
                    call(keys.next_key()).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    begun.elapsed()
}

/// A connection that is configured as cachekit's link is.
///
/// # Panics
/// When the server does not answer.
pub async fn bare_connection(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(format!("{url}/?protocol=resp3")).expect("a url");
    let config =
        AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(1024);
    client.get_multiplexed_async_connection_with_config(&config).await.expect("a connection")
}

/// How many times as fast the first of two contenders is as the second: the median and the quartiles of rounds in which
/// they take turns, so that what else the machine does meets both.
///
/// # Panics
/// When a call does.
pub async fn rounds<F: Future<Output = Duration>, G: Future<Output = Duration>>(
    first: impl Fn() -> F,
    second: impl Fn() -> G,
) -> [f64; 3] {
    let mut ratios = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let (ours, theirs) = (first().await, second().await);
        ratios.push(theirs.as_secs_f64() / ours.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    [ratios[ROUNDS / 4], ratios[ROUNDS / 2], ratios[ROUNDS * 3 / 4]]
}
