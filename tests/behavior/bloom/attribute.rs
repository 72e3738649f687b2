//! `#[cached(.., bloom = ..)]`: what is absent reaches neither Redis nor the body.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use cachekit::{Cache, Status, bloom::Bloom, bypass, cached, invalidates, refresh, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{Entries, cache, patient_builder};

use super::{NOBODY, filled, filter, ids};

#[derive(Default)]
struct Users {
    loads: AtomicUsize,
}

impl Users {
    #[cached(key = "user:<id>", ttl = "1h", bloom = bloom, shared)]
    async fn find(&self, bloom: &Bloom<i64>, id: i64) -> Result<Option<i64>, String> {
        self.loads.fetch_add(1, SeqCst);
        Ok((0..10).contains(&id).then_some(id))
    }

    fn loads(&self) -> usize {
        self.loads.load(SeqCst)
    }
}

#[tokio::test]
async fn an_absent_id_is_not_there_and_leaves_no_trace() {
    let server = RedisServer::start();
    for cache in [cache(&server.url()).await, Cache::builder().build().unwrap()] {
        let (bloom, users) = (filled(&cache).await, Users::default());
        let read = cache.scope(with_status(users.find(&bloom, NOBODY)));
        assert_eq!(read.await, (Ok(None), Status::Filtered));
        assert_eq!(users.loads(), 0);
        assert_eq!(Entries::of(&server).get("user:-1"), None);

        let read = || cache.scope(with_status(users.find(&bloom, 3)));
        assert_eq!(read().await, (Ok(Some(3)), Status::Loaded));
        assert_eq!(read().await, (Ok(Some(3)), Status::Hit));
    }
}

#[tokio::test]
async fn whoever_asks_for_the_body_gets_it() {
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let (bloom, users) = (filled(&cache).await, Users::default());
    cache.scope(bypass(users.find(&bloom, NOBODY))).await.unwrap();
    cache.scope(refresh(users.find(&bloom, NOBODY))).await.unwrap();
    assert_eq!(users.loads(), 2);
    // Without a cache there is nothing to keep load from.
    Cache::disabled().scope(users.find(&bloom, NOBODY)).await.unwrap();
    assert_eq!(users.loads(), 3);
}

#[tokio::test]
async fn an_insert_that_adds_its_id_is_found_at_once() {
    #[invalidates("user:<id>")]
    async fn insert(bloom: &Bloom<i64>, id: i64) -> Result<(), cachekit::Error> {
        let added = bloom.add(id).await?;
        // COMMIT
        added.confirm().await
    }
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let bloom = filter(&cache);
    bloom.rebuild(|| ids([])).await.unwrap();
    let users = Users::default();
    assert_eq!(cache.scope(users.find(&bloom, 3)).await, Ok(None));
    cache.scope(insert(&bloom, 3)).await.unwrap();
    assert_eq!(cache.scope(users.find(&bloom, 3)).await, Ok(Some(3)));
}

#[cached(key = "member:<org>:<name>", ttl = "1h", bloom = bloom, cache = cache)]
async fn member(
    cache: &Cache,
    bloom: std::sync::Arc<Bloom<(i64, String)>>,
    org: i64,
    name: String,
) -> Option<String> {
    drop(bloom);
    Some(format!("{name} of {org}"))
}

#[tokio::test]
async fn several_placeholders_are_asked_for_together() {
    let cache = Cache::builder().build().unwrap();
    let bloom: Bloom<(i64, String)> =
        Bloom::builder("members").settle(std::time::Duration::ZERO).build(&cache).unwrap();
    let ada = (1, "Ada".to_owned());
    bloom.rebuild::<_, (i64, String), _>(|| Pairs(vec![ada].into_iter())).await.unwrap();
    let bloom = std::sync::Arc::new(bloom);
    let read = |org, name: &str| member(&cache, bloom.clone(), org, name.to_owned());
    assert_eq!(read(1, "Ada").await.as_deref(), Some("Ada of 1"));
    assert_eq!(read(2, "Ada").await, None);
    assert_eq!(read(1, "Eve").await, None);
}

struct Pairs(std::vec::IntoIter<(i64, String)>);

impl futures_core::Stream for Pairs {
    type Item = Result<(i64, String), std::convert::Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.next().map(Ok))
    }
}

/// 100 000 ids that do not exist: at most the stated share of them gets past the filter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_do_not_exist_stay_out_of_redis_and_the_database() {
    const ASKED: usize = 100_000;
    let server = RedisServer::start();
    let cache = patient_builder(&server.url()).await.build().unwrap();
    let bloom = filter(&cache);
    bloom.rebuild(|| ids(0..10_000)).await.unwrap();
    let users = std::sync::Arc::new(Users::default());
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64 {
        let (cache, bloom, users) = (cache.clone(), bloom.clone(), users.clone());
        tasks.spawn(async move {
            cache
                .scope(async {
                    for id in (task..ASKED).step_by(64) {
                        users.find(&bloom, -1 - id as i64).await.unwrap();
                    }
                })
                .await;
        });
    }
    tasks.join_all().await;
    let entries = Entries::of(&server).keys("ck:t:user").len();
    let share = users.loads() as f64 / ASKED as f64;
    assert!(share <= 0.01 && entries <= ASKED / 100, "{share}, {entries} entries");
    assert!(share > 0.001, "{share} is too good to be true");
}
