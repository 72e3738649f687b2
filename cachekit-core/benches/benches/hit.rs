//! Hits in this process: an attributed function beside its peers.

#![allow(missing_docs)]

use std::{convert::Infallible, fmt::Write as _, future::Future, hint::black_box, sync::Arc};

use arrayvec::ArrayString;
use cached::macros::concurrent_cached;
use cachekit::{Cache, cached as cachekit_cached};
use cachekit_benches::{Keys, User, print_ratios};
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};

const COUNT: u64 = 10_000;

#[cachekit_cached(key = "user:<id>", ttl = "1h")]
async fn ours(id: i64) -> Result<Arc<User>, Infallible> {
    Ok(Arc::new(User::new(id)))
}

#[cachekit_cached(key = "owned:<id>", ttl = "1h")]
async fn ours_owned(id: i64) -> Result<User, Infallible> {
    Ok(User::new(id))
}

#[concurrent_cached(
    max_size = 100_000,
    ttl_secs = 3600,
    key = "String",
    convert = r#"{ format!("user:{id}") }"#
)]
async fn concurrent(id: i64) -> Result<Arc<User>, Infallible> {
    Ok(Arc::new(User::new(id)))
}

/// Polls a future that is ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(out) = future.as_mut().poll(&mut cx) {
            return out;
        }
    }
}

fn contender<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    count: u64,
    read: impl Fn(i64) -> T,
) {
    (0..count as i64).for_each(|id| drop(read(id)));
    let mut keys = Keys::new(count);
    group.bench_function(name, |b| b.iter(|| black_box(read(black_box(keys.next_key())))));
}

fn group(c: &mut Criterion, name: &str, count: u64) {
    let mut group = c.benchmark_group(name);
    contender(&mut group, "cachekit", count, |id| now(ours(id)));
    contender(&mut group, "cachekit_owned", count, |id| now(ours_owned(id)));
    contender(&mut group, "concurrent_cached", count, |id| now(concurrent(id)));

    let moka = moka::future::Cache::<String, Arc<User>>::builder()
        .max_capacity(100_000)
        .time_to_live(std::time::Duration::from_secs(3600))
        .build();
    contender(&mut group, "moka", count, |id| {
        now(moka.get_with(format!("user:{id}"), async move { Arc::new(User::new(id)) }))
    });

    let quick = quick_cache::sync::Cache::<String, Arc<User>>::new(100_000);
    contender(&mut group, "quick_cache_formatted", count, |id| {
        let mut key = ArrayString::<64>::new();
        write!(key, "user:{id}").expect("it fits");
        match quick.get(key.as_str()) {
            Some(user) => user,
            None => {
                let user = Arc::new(User::new(id));
                quick.insert(key.to_string(), user.clone());
                user
            }
        }
    });
    group.finish();
    print_ratios(
        name,
        &["cachekit", "cachekit_owned", "concurrent_cached", "moka", "quick_cache_formatted"],
    );
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio");
    let _entered = runtime.enter();
    let cache = Cache::builder().max_entries(100_000).build().expect("the defaults");
    cache.install().expect("the first one");
    let mut criterion = Criterion::default().configure_from_args();
    group(&mut criterion, "hit_10000_keys", COUNT);
    group(&mut criterion, "hit_one_key", 1);
    criterion.final_summary();
}
