//! Hits in this process: an attributed function beside its peers.

#![allow(missing_docs)]

use std::{convert::Infallible, fmt::Write as _, future::Future, sync::Arc};

use arrayvec::ArrayString;
use cached::macros::concurrent_cached;
use cachekit::{Cache, cached as cachekit_cached};
use cachekit_benches::{Contender, User, print_ratios, print_turns};
use criterion::Criterion;

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

fn quick_cache_formatted(
    quick: &quick_cache::sync::Cache<String, Arc<User>>,
    id: i64,
) -> Arc<User> {
    let mut key = ArrayString::<64>::new();
    write!(key, "user:{id}").expect("it fits");
    quick.get(key.as_str()).unwrap_or_else(|| {
        let user = Arc::new(User::new(id));
        quick.insert(key.to_string(), user.clone());
        user
    })
}

fn group(c: &mut Criterion, name: &str, count: u64) {
    let moka = moka::future::Cache::<String, Arc<User>>::builder()
        .max_capacity(100_000)
        .time_to_live(std::time::Duration::from_secs(3600))
        .build();
    let moka_get = |id| moka.get_with(format!("user:{id}"), async move { Arc::new(User::new(id)) });
    let quick = quick_cache::sync::Cache::<String, Arc<User>>::new(100_000);
    let mut contenders = [
        Contender::new("cachekit", count, |id| now(ours(id))),
        Contender::new("cachekit_owned", count, |id| now(ours_owned(id))),
        Contender::new("concurrent_cached", count, |id| now(concurrent(id))),
        Contender::new("moka", count, |id| now(moka_get(id))),
        Contender::new("quick_cache_formatted", count, |id| quick_cache_formatted(&quick, id)),
    ];
    let mut group = c.benchmark_group(name);
    for contender in &mut contenders {
        let name = contender.name;
        group.bench_function(name, |b| b.iter_custom(|calls| contender.time(calls)));
    }
    group.finish();
    print_ratios(name, &contenders.each_ref().map(|contender| contender.name));
    print_turns(name, &mut contenders);
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
