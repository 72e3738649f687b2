//! A cold start does not overwhelm the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cachekit::{Cache, ErrorKind, Status, cached, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{builder, soon};
use tokio::task::JoinSet;

#[derive(Debug, Default)]
struct Source {
    running: AtomicUsize,
    most: AtomicUsize,
    loads: AtomicUsize,
}

impl Source {
    async fn load(&self, id: u64) -> u64 {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        id
    }

    fn counts(&self) -> (usize, usize) {
        (self.most.load(Ordering::SeqCst), self.loads.load(Ordering::SeqCst))
    }
}

#[cached(key = "cold:<id>", ttl = "1h")]
async fn cold(source: &Source, id: u64) -> u64 {
    source.load(id).await
}

#[cached(key = "narrow:<id>", ttl = "1h", max_loads = 3)]
async fn narrow(source: &Source, id: u64) -> u64 {
    source.load(id).await
}

async fn read_all<F>(cache: &Cache, read: impl Fn(u64) -> F)
where
    F: Future<Output = u64> + Send + 'static,
{
    let mut readers = JoinSet::new();
    for id in 0..1000 {
        let (cache, read) = (cache.clone(), read(id));
        readers.spawn(async move { assert_eq!(cache.scope(read).await, id) });
    }
    readers.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_start_over_redis_runs_no_more_loads_at_once_than_allowed() {
    let server = RedisServer::start();
    let cache = builder(&server.url()).await.max_loads(8).build().unwrap();
    let source = Arc::new(Source::default());
    read_all(&cache, |id| {
        let source = source.clone();
        async move { cold(&source, id).await }
    })
    .await;
    assert_eq!(source.counts(), (8, 1000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_may_run_fewer_loads_at_once_than_its_cache() {
    let server = RedisServer::start();
    let cache = builder(&server.url()).await.build().unwrap();
    let source = Arc::new(Source::default());
    read_all(&cache, |id| {
        let source = source.clone();
        async move { narrow(&source, id).await }
    })
    .await;
    assert_eq!(source.counts(), (3, 1000));
}

#[cached(key = "told:<id>", ttl = "1h", hard_timeout = "5s")]
async fn told(id: u64) -> Result<u64, cachekit::Error> {
    Ok(id)
}

#[tokio::test]
async fn a_caller_that_is_refused_leaves_its_key_to_the_next() {
    let server = RedisServer::start();
    let cache = builder(&server.url()).await.max_loads(1).load_queue(0).build().unwrap();
    let holds = cache.get_or_load(cachekit::key!("other"), &cachekit_tests::POLICY, async || {
        let (out, status) = with_status(told(1)).await;
        assert_eq!((out.unwrap(), status), (1, Status::Loaded), "a nested load needs no turn");
        let other = cachekit::Cache::clone(&cache);
        // A plain spawn is not known to stand inside another load.
        let told = tokio::spawn(async move { other.scope(told(2)).await });
        let refused = told.await.unwrap().unwrap_err();
        assert_eq!(
            (refused.kind(), refused.template()),
            (ErrorKind::Overloaded, Some("told:<id>"))
        );
        Ok::<_, ()>(0_u64)
    });
    assert_eq!(cache.scope(holds).await, Ok(0));
    // Long before a lease would run out.
    assert_eq!(soon(cache.scope(told(2))).await.unwrap(), 2);
}
