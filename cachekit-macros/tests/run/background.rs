//! Bodies that also run in the background, with copies of their arguments.

use std::{
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cachekit::{Cache, Status, Ttl, cached, testing, with_status};
use sqlx::SqlitePool;

use crate::support::{Broken, Runs};

/// What was read, and when.
type Log = Arc<Mutex<Vec<String>>>;

fn log(log: &Log, what: impl Into<String>) {
    log.lock().unwrap().push(what.into());
}

/// Runs `call` until what it found is out of date, then until the load in the background has come.
async fn twice<T: PartialEq + std::fmt::Debug>(call: impl AsyncFn() -> T) -> (T, T) {
    let (clock, builder) = testing::clock();
    let cache = builder.build().unwrap();
    cache.scope(turn(|| clock.advance(Duration::from_secs(11)), call)).await
}

async fn turn<T: PartialEq + std::fmt::Debug>(age: impl Fn(), call: impl AsyncFn() -> T) -> (T, T) {
    let (first, status) = with_status(call()).await;
    assert_eq!(status, Status::Loaded);
    age();
    let (again, status) = with_status(call()).await;
    assert_eq!((&again, status), (&first, Status::Stale));
    for _ in 0..10_000 {
        let (next, status) = with_status(call()).await;
        if status == Status::Hit {
            return (first, next);
        }
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    panic!("nothing came of the load in the background");
}

#[derive(Clone)]
struct Repo {
    tenant: String,
    log: Log,
}

impl Repo {
    fn new() -> Self {
        Self { tenant: "t".into(), log: Log::default() }
    }

    fn runs(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    #[cached(
        key = "owned:<self.tenant>:<name>:<ids>:<deep>",
        ttl = "10s",
        stale_while_revalidate = "1m",
        skip(place)
    )]
    pub async fn owned(
        &self,
        db: &SqlitePool,
        name: &str,
        ids: &[i64],
        mut deep: Vec<String>,
        place: &'static str,
    ) -> Result<Option<String>, sqlx::Error> {
        let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(db).await?;
        if name.is_empty() {
            return Ok(None);
        }
        deep.push(name.to_owned());
        // `self` in a macro, captured by one, and in a closure.
        log(&self.log, format!("{} {}", self.tenant, deep.len()));
        let tenant = || self.tenant.clone();
        Ok(Some(format!("{one}{}{ids:?}{deep:?}{place}", tenant())))
    }

    #[cached(key = "arc:<self.tenant>:<times>", ttl = "10s", stale_while_revalidate = "1m")]
    pub async fn through_arc(self: Arc<Self>, times: usize) -> usize {
        log(&self.log, "arc");
        self.runs() * times
    }

    #[cached(
        key = "value:<self.tenant>",
        ttl = "10s",
        refresh_ahead,
        stale_while_revalidate = "1m"
    )]
    pub async fn by_value(mut self) -> usize {
        self.tenant.push('x');
        log(&self.log, "value");
        self.runs()
    }
}

#[tokio::test]
async fn refresh_owns_pool_str_slice_and_self() {
    let db = SqlitePool::connect("sqlite::memory:").await.unwrap();
    let repo = Repo::new();
    let call = async || {
        let (name, ids) = (String::from("Ada"), [1, 2]);
        repo.owned(&db, &name, &ids, vec!["a".into()], "here").await.unwrap()
    };
    let (first, next) = twice(call).await;
    assert_eq!(first.as_deref(), Some("1t[1, 2][\"a\", \"Ada\"]here"));
    assert_eq!(first, next);
    assert_eq!(*repo.log.lock().unwrap(), ["t 2", "t 2"]);
}

#[tokio::test]
async fn every_receiver_is_copied() {
    let repo = Arc::new(Repo::new());
    assert_eq!(twice(async || repo.clone().through_arc(10).await).await, (10, 20));
    let repo = Repo::new();
    assert_eq!(twice(async || repo.clone().by_value().await).await, (1, 2));
}

#[async_trait]
trait Users {
    async fn find(&self, name: &str) -> Result<usize, Broken>;
}

#[async_trait]
impl Users for Repo {
    #[cached(key = "dynamic:<self.tenant>:<name>", ttl = "10s", stale_while_revalidate = "1m")]
    async fn find(&self, name: &str) -> Result<usize, Broken> {
        log(&self.log, name);
        if name.is_empty() {
            return Err(Broken);
        }
        Ok(self.runs())
    }
}

#[tokio::test]
async fn async_trait_methods_refresh() {
    let repo = Repo::new();
    let users: &(dyn Users + Sync) = &repo;
    let call = async || users.find("Ada").await.unwrap();
    assert_eq!(twice(call).await, (1, 2));
}

#[cached(key = "generic:<id>", ttl = "10s", stale_while_revalidate = "1m", skip(N))]
async fn generic<T, const N: usize>(state: &T, id: i64) -> Option<i64>
where
    T: AsRef<Runs> + Clone + Send + Sync + 'static,
{
    Some(id + i64::from(state.as_ref().next()) + i64::try_from(N).ok()?)
}

#[derive(Clone)]
struct Counter(Arc<Runs>);

impl AsRef<Runs> for Counter {
    fn as_ref(&self) -> &Runs {
        &self.0
    }
}

#[tokio::test]
async fn generic_functions_refresh() {
    let counter = Counter(Arc::default());
    let call = async || generic::<_, 5>(&counter, 10).await;
    assert_eq!(twice(call).await, (Some(16), Some(17)));
}

#[cached(key = "rc:<id>", ttl = "1h", skip(rc))]
async fn with_rc(rc: Rc<i64>, id: i64) -> i64 {
    tokio::task::yield_now().await;
    *rc + id
}

#[cached(key = "rc_ttl:<id>", ttl = |sum| Duration::from_secs(sum.unsigned_abs()), skip(rc))]
async fn with_rc_and_ttl(rc: Rc<i64>, id: i64) -> i64 {
    tokio::task::yield_now().await;
    *rc + id
}

#[tokio::test]
async fn future_with_rc_compiles_without_refresh() {
    let cache = Cache::builder().build().unwrap();
    assert_eq!(cache.scope(with_rc(Rc::new(1), 2)).await, 3);
    assert_eq!(cache.scope(with_rc_and_ttl(Rc::new(1), 2)).await, 3);
}

#[cached(key = "ahead:<id>", ttl = "10s", refresh_ahead = "4s")]
async fn ahead(runs: &Arc<Runs>, id: i64) -> Result<i64, Broken> {
    Ok(id + i64::from(runs.next()))
}

#[tokio::test]
async fn an_entry_is_refreshed_ahead_of_its_end() {
    let (clock, builder) = testing::clock();
    let runs = Arc::new(Runs::default());
    let reads = async {
        for (seconds, loads) in [(0, 1), (6, 1), (1, 2), (6, 2), (1, 3)] {
            clock.advance(Duration::from_secs(seconds));
            ahead(&runs, 1).await.unwrap();
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert_eq!(runs.so_far(), loads);
        }
    };
    builder.build().unwrap().scope(reads).await;
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Quote {
    seconds: u64,
}

#[cached(
    key = "quote:<id>",
    ttl = |quote| Ttl::from(Duration::from_secs(quote.seconds)),
    negative_ttl = "1s",
    refresh_ahead = "50%",
)]
async fn quote(runs: &Arc<Runs>, id: u64) -> Result<Option<Quote>, Broken> {
    runs.next();
    Ok((id > 0).then_some(Quote { seconds: id }))
}

#[tokio::test]
async fn the_value_says_how_long_it_is_good_in_the_background_too() {
    let (clock, builder) = testing::clock();
    let runs = Arc::new(Runs::default());
    let reads = async {
        for (seconds, loads) in [(0, 1), (50, 1), (1, 2), (50, 2), (1, 3), (101, 4)] {
            clock.advance(Duration::from_secs(seconds));
            quote(&runs, 100).await.unwrap();
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert_eq!(runs.so_far(), loads, "after {seconds} s");
        }
        assert!(quote(&runs, 0).await.unwrap().is_none());
        clock.advance(Duration::from_secs(1));
        assert!(quote(&runs, 0).await.unwrap().is_none());
        assert_eq!(runs.so_far(), 6);
    };
    builder.build().unwrap().scope(reads).await;
}
