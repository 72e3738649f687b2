//! `#[locked]`: on every kind of function, with every return type that can say that there is no lock.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cachekit::{Cache, Error, ErrorKind, Key, isolated, key, locked};

use crate::support::Runs;

/// An error with a place for those of locks.
#[derive(Debug)]
enum Failed {
    Lock(Error),
    Body,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        Failed::Lock(error)
    }
}

type Answer<T, E = Failed> = Result<T, E>;

fn order_key(id: i64) -> Key {
    key!("order:<id>")
}

/// Whether the lock of an order is held now, in the cache in scope of the test.
async fn is_held(cache: &Cache, id: i64) -> bool {
    match cache.lock(order_key(id)).try_acquire().await {
        Ok(free) => {
            free.release().await.unwrap();
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Busy);
            true
        }
    }
}

fn cache() -> Cache {
    Cache::builder().build().unwrap()
}

// ===== functions =====

#[locked(key = "order:<id>")]
async fn by_template(cache: &Cache, id: i64) -> Answer<bool> {
    Ok(is_held(cache, id).await)
}

#[locked(key = order_key(id), lease = lease * 2, wait = Duration::from_millis(1), max_hold = lease * 4)]
async fn by_expressions(cache: &Cache, id: i64, lease: Duration) -> Answer<bool, Error> {
    Ok(is_held(cache, id).await)
}

#[locked(key = "order:<id>", owner = "test", fair, wait = "1s", above = floor, cache = *cache, guard = lock)]
async fn with_every_option(cache: &Cache, id: i64, floor: u64) -> Result<u64, Error> {
    lock.check()?;
    Ok(lock.fencing_token())
}

#[locked(key = "order:<order.id>", owner = owner)]
async fn consumes(order: Order, owner: String, mut runs: u32) -> Result<String, Box<dyn StdError>> {
    runs += 1;
    let Order { id } = order;
    assert_eq!(id, 7);
    Ok(format!("{owner}{runs}"))
}

struct Order {
    id: i64,
}

#[locked(key = "order:<id>")]
async fn early<T>(id: i64, value: &T, end: u8) -> Result<Option<T>, Box<dyn StdError + Send + Sync>>
where
    T: Debug + Clone + Send + Sync,
{
    if end == 0 {
        return Ok(None);
    }
    let number: i64 = "7".parse()?;
    if end == 1 {
        Err("no")?;
    }
    assert_eq!(number, 7);
    Ok(Some(value.clone()))
}

#[locked(key = "order:<first>:<N>")]
async fn borrows<'a, const N: usize>(
    first: &'a str,
    (_, last): (i64, &'a str),
) -> Answer<[&'a str; N]> {
    Ok([if N == 1 { first } else { last }; N])
}

#[locked(key = "order:<id>")]
fn promised(id: i64) -> impl Future<Output = Answer<i64>> + Send {
    async move { Ok(id) }
}

#[locked(key = "order:<id>")]
fn boxed<'a>(runs: &'a Runs, id: i64) -> Pin<Box<dyn Future<Output = Answer<u32>> + Send + 'a>> {
    Box::pin(async move {
        assert_eq!(id, 7);
        Ok(runs.next())
    })
}

#[locked(key = "order:<id>")]
async fn unit(id: i64) -> Answer<()> {
    let _ = id;
    Err(Failed::Body)
}

#[tokio::test]
async fn a_body_runs_under_its_lock_and_no_longer() {
    let cache = cache();
    let held = cache.scope(by_template(&cache, 7)).await.unwrap();
    assert!(held);
    assert!(!is_held(&cache, 7).await);
    let held = cache.scope(by_expressions(&cache, 7, Duration::from_secs(1))).await.unwrap();
    assert!(held);
    assert!(!is_held(&cache, 7).await);
}

#[tokio::test]
async fn options_reach_the_lock() {
    let cache = cache();
    let first = with_every_option(&cache, 7, 0).await.unwrap();
    let second = with_every_option(&cache, 7, first + 41).await.unwrap();
    assert_eq!(second, first + 42);
    let held = cache.lock(order_key(7)).acquire().await.unwrap();
    let error = with_every_option(&cache, 7, 0).await.unwrap_err();
    assert_eq!((error.kind(), error.template()), (ErrorKind::WaitExhausted, Some("order:<id>")));
    held.release().await.unwrap();
}

#[tokio::test]
#[isolated]
async fn arguments_and_return_types_stay_as_they_are() {
    let order = Order { id: 7 };
    assert_eq!(consumes(order, "a".into(), 0).await.unwrap(), "a1");
    assert_eq!(early(7, &"x", 0).await.unwrap(), None);
    assert_eq!(early(7, &"x", 1).await.unwrap_err().to_string(), "no");
    assert_eq!(early(7, &"x", 2).await.unwrap(), Some("x"));
    assert_eq!(borrows::<2>("a", (1, "b")).await.unwrap(), ["b", "b"]);
    assert_eq!(promised(7).await.unwrap(), 7);
    let runs = Runs::default();
    assert_eq!(boxed(&runs, 7).await.unwrap(), 1);
    assert!(matches!(unit(7).await, Err(Failed::Body)));
}

#[tokio::test]
async fn a_busy_lock_is_an_error_of_the_function_and_no_run_of_its_body() {
    let (cache, runs) = (cache(), Runs::default());
    let held = cache.lock(order_key(7)).acquire().await.unwrap();
    let error = cache.scope(boxed(&runs, 7)).await.unwrap_err();
    assert!(matches!(error, Failed::Lock(error) if error.kind() == ErrorKind::Busy));
    let error = cache.scope(consumes(Order { id: 7 }, "a".into(), 0)).await.unwrap_err();
    assert!(error.to_string().contains("somebody else holds it"), "{error}");
    assert_eq!(runs.so_far(), 0);
    drop(held);
}

fn sendable<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn the_future_can_be_sent_and_spawned() {
    let cache = cache();
    let order = sendable(by_template(&cache, 7));
    cache.scope(order).await.unwrap();
    let spawned = tokio::spawn({
        let cache = cache.clone();
        async move { with_every_option(&cache, 7, 0).await }
    });
    spawned.await.unwrap().unwrap();
}

// ===== methods =====

struct Shop {
    name: String,
    cache: Cache,
    lease: Duration,
    runs: Runs,
}

impl Shop {
    #[locked(key = "shop:<self.name>:<id>", lease = self.lease, owner = self.name, cache = self.cache)]
    async fn ship(&self, id: i64) -> Answer<u32> {
        let name = &self.name;
        let error = self.cache.lock(key!("shop:<name>:<id>")).try_acquire().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        Ok(self.runs.next())
    }

    #[locked(key = "shop:<self.name>", cache = self.cache)]
    async fn rename(&mut self, name: &str) -> Answer<&str> {
        self.name.push_str(name);
        Ok(&self.name)
    }

    #[locked(key = "shop:<self.name>", cache = self.cache, guard = lock)]
    async fn close(self: Arc<Self>) -> Answer<u64> {
        Ok(lock.fencing_token())
    }

    #[locked(key = "shops")]
    async fn open(name: &str) -> Answer<Shop> {
        Ok(shop(name))
    }
}

#[async_trait]
trait Orders {
    async fn cancel(&self, id: i64) -> Answer<i64>;

    #[locked(key = "order:<id>", cache = *self.cache())]
    async fn refund(&self, id: i64) -> Answer<bool> {
        Ok(is_held(self.cache(), id).await)
    }

    fn cache(&self) -> &Cache;
}

#[async_trait]
impl Orders for Shop {
    #[locked(key = "order:<id>", cache = self.cache, guard = lock)]
    async fn cancel(&self, id: i64) -> Answer<i64> {
        assert!(is_held(&self.cache, id).await);
        lock.check()?;
        if self.runs.next() > 1 {
            return Err(Failed::Body);
        }
        Ok(id)
    }

    fn cache(&self) -> &Cache {
        &self.cache
    }
}

fn shop(name: &str) -> Shop {
    Shop { name: name.into(), cache: cache(), lease: Duration::from_secs(5), runs: Runs::default() }
}

#[tokio::test]
#[isolated]
async fn methods_of_types_and_of_traits_are_locked() {
    let mut shop = Shop::open("a").await.unwrap();
    assert_eq!(shop.ship(7).await.unwrap(), 1);
    assert_eq!(shop.rename("b").await.unwrap(), "ab");
    let orders: Box<dyn Orders + Send + Sync> = Box::new(shop);
    assert!(orders.refund(7).await.unwrap());
    assert!(matches!(orders.cancel(7).await, Err(Failed::Body)));
    assert!(!is_held(orders.cache(), 7).await);
    let shop = Arc::new(self::shop("c"));
    assert!(shop.clone().close().await.unwrap() < shop.close().await.unwrap());
}

// ===== with others =====

mod facade {
    pub(crate) mod inner {
        pub(crate) use cachekit::{__private, locked};
    }
}

#[facade::inner::locked(key = "order:<id>", crate = "facade::inner")]
async fn through_a_facade(id: i64) -> Result<i64, Error> {
    Ok(id)
}

#[tracing::instrument(skip(id))]
#[locked(key = "order:<id>", guard = _lock)]
async fn instrumented(id: i64) -> Answer<i64> {
    Ok(id)
}

#[locked(key = "order:<id>")]
#[tracing::instrument]
async fn instrumented_outside(id: i64) -> Answer<i64> {
    Ok(id)
}

#[tokio::test]
#[isolated]
async fn other_attributes_and_another_path_are_fine() {
    assert_eq!(through_a_facade(7).await.unwrap(), 7);
    assert_eq!(instrumented(7).await.unwrap(), 7);
    assert_eq!(instrumented_outside(7).await.unwrap(), 7);
}
