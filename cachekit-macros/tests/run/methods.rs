//! Methods: of types, of traits, with `#[async_trait]`, with every receiver.

use std::sync::Arc;

use async_trait::async_trait;
use cachekit::{Cache, Key, cached, isolated, key};

use crate::support::{Broken, Runs};

pub(crate) fn user_key(id: i64) -> Key {
    key!("user:<id>")
}

#[derive(Default)]
struct Repo {
    tenant: String,
    runs: Runs,
    cache: Option<Cache>,
}

impl AsRef<Cache> for Repo {
    fn as_ref(&self) -> &Cache {
        self.cache.as_ref().unwrap()
    }
}

impl Repo {
    fn of(tenant: &str) -> Repo {
        Repo { tenant: tenant.into(), ..Repo::default() }
    }

    #[cached(key = "repo:<self.tenant>:<id>", ttl = "1h")]
    pub(crate) async fn find(&self, id: i64) -> Result<Option<String>, Broken> {
        self.runs.next();
        Ok(Some(format!("{}{id}", self.tenant)))
    }

    #[cached(key = "associated:<id>", ttl = "1h")]
    async fn load(runs: &Runs, id: i64) -> u32 {
        runs.next() + u32::try_from(id).unwrap()
    }

    #[cached(key = "arc:<self.tenant>:<id>", ttl = "1h")]
    pub async fn through_arc(self: Arc<Self>, id: i64) -> String {
        self.runs.next();
        format!("{}{id}", self.tenant)
    }

    #[cached(key = "by_value:<self.tenant>", ttl = "1h")]
    pub async fn by_value(self) -> String {
        self.tenant
    }

    #[cached(key = "by_mut:<self.tenant>", ttl = "1h")]
    pub async fn by_mut(&mut self) -> usize {
        self.tenant.push('x');
        self.tenant.len()
    }

    #[cached(key = "shared:<id>", ttl = "1h", shared, companion)]
    async fn shared(&self, id: i64) -> u32 {
        self.runs.next() + u32::try_from(id).unwrap()
    }

    #[cached(key = "own_cache:<id>", ttl = "1h", shared, cache = self)]
    async fn own_cache(&self, id: i64) -> u32 {
        self.runs.next() + u32::try_from(id).unwrap()
    }

    #[cached(key = "own_cache:<id>", ttl = "1h", shared, cache = self, companion = false)]
    pub async fn own_cache_by_mut(&mut self, id: i64) -> u32 {
        self.runs.next() + u32::try_from(id).unwrap()
    }
}

#[tokio::test]
#[isolated]
async fn inherent_method_key_takes_self() {
    let (a, b) = (Repo::of("a"), Repo::of("b"));
    for _ in 0..2 {
        assert_eq!(a.find(7).await.unwrap().unwrap(), "a7");
        assert_eq!(b.find(7).await.unwrap().unwrap(), "b7");
    }
    assert_eq!((a.runs.so_far(), b.runs.so_far()), (1, 1));
    assert_eq!(a.find_key(7).as_str(), "repo:a:7");
    assert_eq!(a.shared_key(7).as_str(), "shared:7");
}

#[tokio::test]
#[isolated]
async fn associated_function_without_receiver() {
    let runs = Runs::default();
    assert_eq!(Repo::load(&runs, 1).await, 2);
    assert_eq!(Repo::load(&runs, 1).await, 2);
    assert_eq!(Repo::load_key(1).as_str(), "associated:1");
}

#[tokio::test]
#[isolated]
async fn arc_self_receiver() {
    let repo = Arc::new(Repo::of("a"));
    assert_eq!(repo.clone().through_arc(7).await, "a7");
    assert_eq!(repo.clone().through_arc(7).await, "a7");
    assert_eq!(repo.runs.so_far(), 1);
    assert_eq!(repo.through_arc_key(7).as_str(), "arc:a:7");
}

#[tokio::test]
#[isolated]
async fn receivers_by_value_and_by_mut() {
    assert_eq!(Repo::of("a").by_value().await, "a");
    let mut repo = Repo::of("a");
    assert_eq!(repo.by_mut().await, 2);
    assert_eq!(repo.by_mut().await, 3, "the key was of `ax`");
}

#[tokio::test]
async fn a_cache_of_its_own_needs_no_scope() {
    let mut repo = Repo { cache: Some(Cache::builder().build().unwrap()), ..Repo::default() };
    assert_eq!(repo.own_cache(1).await, 2);
    assert_eq!(repo.own_cache(1).await, 2);
    assert_eq!(repo.own_cache_by_mut(1).await, 2);
    assert_eq!(repo.runs.so_far(), 1);
}

// ===== traits =====

trait Native {
    fn runs(&self) -> &Runs;

    fn find(&self, id: i64) -> impl Future<Output = u32> + Send;

    #[cached(key = user_key(id), ttl = "1h", shared)]
    async fn by_default(&self, id: i64) -> u32 {
        self.runs().next() + u32::try_from(id).unwrap()
    }
}

impl Native for Repo {
    fn runs(&self) -> &Runs {
        &self.runs
    }

    #[cached(key = key!("native:<self.tenant>:<id>"), ttl = "1h")]
    async fn find(&self, id: i64) -> u32 {
        self.runs.next() + u32::try_from(id).unwrap()
    }
}

#[tokio::test]
#[isolated]
async fn native_trait_method() {
    let repo = Repo::of("a");
    assert_eq!(Native::find(&repo, 1).await, 2);
    assert_eq!(Native::find(&repo, 1).await, 2);
    assert_eq!(Native::find(&Repo::of("b"), 1).await, 2);
}

#[tokio::test]
#[isolated]
async fn trait_default_method() {
    let repo = Repo::of("a");
    assert_eq!(repo.by_default(1).await, 2);
    assert_eq!(repo.by_default(1).await, 2);
    assert_eq!(repo.runs.so_far(), 1);
}

#[async_trait]
trait Dynamic: Send + Sync {
    async fn find(&self, id: i64) -> Result<u32, Broken>;

    #[cached(key = "dynamic_default:<id>", ttl = "1h", shared)]
    async fn by_default_too(&self, id: i64) -> u32 {
        u32::try_from(id).unwrap()
    }
}

#[async_trait]
impl Dynamic for Repo {
    #[cached(key = "dynamic:<self.tenant>:<id>", ttl = "1h")]
    async fn find(&self, mut id: i64) -> Result<u32, Broken> {
        id += 1;
        if id < 0 {
            return Err(Broken);
        }
        Ok(self.runs.next() + u32::try_from(id).map_err(|_| Broken)?)
    }
}

#[tokio::test]
#[isolated]
async fn async_trait_method() {
    let repo: Box<dyn Dynamic> = Box::new(Repo::of("a"));
    assert_eq!(repo.find(1).await.unwrap(), 3);
    assert_eq!(repo.find(1).await.unwrap(), 3);
    assert!(repo.find(-7).await.is_err());
    assert_eq!(repo.by_default_too(1).await, 1);
}

struct Generic<T>(T);

impl<T: cachekit::Value + AsRef<str>> Generic<T> {
    #[cached(key = "generic:<id>", ttl = "1h", shared)]
    pub async fn get(&self, id: i64) -> Option<T> {
        (id > 0).then(|| self.0.clone())
    }
}

#[tokio::test]
#[isolated]
async fn a_method_of_a_generic_type() {
    let it = Generic(String::from("a"));
    assert_eq!(it.get(1).await.as_deref(), Some("a"));
    assert_eq!(it.get_key(1).as_str(), "generic:1");
}
