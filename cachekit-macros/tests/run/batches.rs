//! Functions of many ids: each id has the entry that a function of one id would have.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use cachekit::{Cache, Status, cached, invalidates, isolated, testing, with_status};

use crate::support::{Broken, Runs};

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct User {
    id: i64,
    name: String,
}

impl User {
    fn new(id: i64) -> User {
        User { id, name: format!("user {id}") }
    }
}

/// What each load was asked for.
#[derive(Default)]
struct Db(Mutex<Vec<Vec<i64>>>);

impl Db {
    fn select(&self, ids: &[i64]) -> Result<Vec<User>, Broken> {
        self.0.lock().unwrap().push(ids.to_vec());
        if ids.contains(&-1) {
            return Err(Broken);
        }
        // As a database does: in an order of its own, and what is not there is left out.
        Ok(ids.iter().rev().filter(|id| **id < 100).map(|id| User::new(*id)).collect())
    }

    fn calls(&self) -> Vec<Vec<i64>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[cached(key = "user:<id>", ttl = "1h")]
async fn find_user(db: &Db, id: i64) -> Result<Option<User>, Broken> {
    Ok(db.select(&[id])?.pop())
}

#[cached(key = "user:<ids[]>", ttl = "1h", negative_ttl = "5s")]
async fn find_users(db: &Db, ids: &[i64]) -> Result<HashMap<i64, User>, Broken> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = db.select(ids)?;
    Ok(rows.into_iter().map(|user| (user.id, user)).collect())
}

#[invalidates(find_user(id))]
async fn rename_user(id: i64) -> Result<(), Broken> {
    let _ = id;
    Ok(())
}

#[invalidates(find_users(id))]
async fn remove_user(id: i64) -> Result<(), Broken> {
    let _ = id;
    Ok(())
}

fn users(ids: &[i64]) -> HashMap<i64, User> {
    ids.iter().map(|id| (*id, User::new(*id))).collect()
}

#[tokio::test]
async fn a_batch_and_a_function_of_one_id_have_the_same_entries() {
    let cache = Cache::builder().build().unwrap();
    let reads = async {
        let db = Db::default();
        assert_eq!(find_users_key(7), find_user_key(7));
        assert_eq!(find_users(&db, &[1, 2, 3]).await.unwrap(), users(&[1, 2, 3]));
        assert_eq!(find_user(&db, 2).await.unwrap(), Some(User::new(2)));
        assert_eq!(find_user(&db, 4).await.unwrap(), Some(User::new(4)));
        assert_eq!(find_users(&db, &[3, 4, 5, 200]).await.unwrap(), users(&[3, 4, 5]));
        assert_eq!(db.calls(), [vec![1, 2, 3], vec![4], vec![5, 200]]);

        rename_user(2).await.unwrap();
        remove_user(3).await.unwrap();
        assert_eq!(find_users(&db, &[1, 2, 3, 200]).await.unwrap(), users(&[1, 2, 3]));
        assert_eq!(find_user(&db, 200).await.unwrap(), None);
        assert_eq!(db.calls(), [[2, 3]]);
    };
    cache.scope(reads).await;
    testing::assert_audit_clean(&cache);
}

#[tokio::test]
#[isolated]
async fn a_failed_load_is_the_error_of_the_batch() {
    let db = Db::default();
    find_users(&db, &[1]).await.unwrap();
    assert!(find_users(&db, &[1, -1]).await.is_err());
    assert_eq!(db.calls(), [[1], [-1]]);
    assert_eq!(with_status(find_users(&db, &[1])).await.1, Status::Hit);
}

#[tokio::test]
async fn without_a_cache_the_body_runs_for_all() {
    let db = Db::default();
    assert_eq!(find_users(&db, &[1, 2, 1]).await.unwrap(), users(&[1, 2]));
    assert_eq!(find_users(&db, &[1, 2]).await.unwrap(), users(&[1, 2]));
    assert_eq!(db.calls(), [[1, 2], [1, 2]]);
}

#[cached(key = "owned:<lang>:<ids[]>:name", ttl = "1h")]
async fn owned(runs: &Runs, lang: &str, mut ids: Vec<u32>) -> BTreeMap<u32, String> {
    runs.next();
    ids.sort_unstable();
    ids.into_iter().map(|id| (id, format!("{lang} {id}"))).collect()
}

#[cached(key = "set:<ids[]>", ttl = "1h")]
async fn set(runs: &Runs, ids: HashSet<String>) -> Result<HashMap<String, usize>, Broken> {
    runs.next();
    Ok(ids.into_iter().map(|id| (id.clone(), id.len())).collect())
}

#[cached(key = "borrowed:<ids[]>", ttl = "1h")]
async fn borrowed<'a>(runs: &Runs, ids: &BTreeSet<&'a str>) -> BTreeMap<&'a str, usize> {
    runs.next();
    ids.iter().map(|id| (*id, id.len())).collect()
}

#[cached(key = "pairs:<ids[].0>:<ids[].1.id>", ttl = "1h", skip(limit))]
async fn pairs(
    runs: &Runs,
    ids: &[(&'static str, Id)],
    limit: usize,
) -> Vec<((&'static str, Id), String)> {
    runs.next();
    ids.iter().rev().take(limit).map(|pair| (*pair, format!("{}{}", pair.0, pair.1.id))).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Id {
    id: u64,
}

#[allow(clippy::ptr_arg)] // Written by those who have one.
#[cached(key = "places:<ids[]>", ttl = "1h")]
async fn places(runs: &Runs, ids: &Vec<i64>) -> Result<Vec<Option<Arc<User>>>, Broken> {
    runs.next();
    Ok(ids.iter().map(|id| (*id > 0).then(|| Arc::new(User::new(*id)))).collect())
}

#[tokio::test]
#[isolated]
async fn collections_of_every_kind_are_taken_and_given() {
    let runs = Runs::default();
    for _ in 0..2 {
        let found = owned(&runs, "en", vec![2, 1]).await;
        assert_eq!(found, BTreeMap::from([(1, "en 1".into()), (2, "en 2".into())]));
    }
    assert_eq!(runs.so_far(), 1);
    assert_eq!(owned_key("en", 7).as_str(), "owned:en:7:name");

    let text = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    set(&runs, text(&["a", "bb"])).await.unwrap();
    assert_eq!(set(&runs, text(&["bb", "a"])).await.unwrap()["bb"], 2);
    assert_eq!(runs.so_far(), 2);
    assert_eq!(set_key("a").as_str(), "set:a");

    for _ in 0..2 {
        let found = borrowed(&runs, &BTreeSet::from(["a", "bb"])).await;
        assert_eq!(found, BTreeMap::from([("a", 1), ("bb", 2)]));
    }
    assert_eq!(runs.so_far(), 3);

    let asked = [("b", Id { id: 2 }), ("a", Id { id: 1 }), ("b", Id { id: 2 })];
    for _ in 0..2 {
        let found = pairs(&runs, &asked, 9).await;
        assert!(found.iter().map(|(pair, _)| pair).eq(&asked), "in the order of the argument");
        assert_eq!(found[1].1, "a1");
    }
    assert_eq!(runs.so_far(), 4);
    assert_eq!(pairs_key(asked[0]).as_str(), "pairs:b:2");

    for ids in [[3, -3, 1], [1, 3, -3]] {
        let found = places(&runs, &ids.to_vec()).await.unwrap();
        let ids_of = found.iter().map(|user| user.as_ref().map(|user| user.id));
        assert!(ids_of.eq(ids.iter().map(|id| (*id > 0).then_some(*id))));
    }
    assert_eq!(runs.so_far(), 5);
}

struct Repo {
    tenant: String,
    runs: Runs,
}

type Rows<T> = Result<T, Broken>;

impl Repo {
    #[cached(key = "repo:<self.tenant>:<ids[]>", ttl = "1h")]
    pub async fn find(&self, ids: &[i64]) -> Rows<HashMap<i64, Arc<User>>> {
        self.runs.next();
        Ok(ids.iter().map(|id| (*id, Arc::new(User::new(*id)))).collect())
    }

    #[cached(key = "repo:<self.tenant>:<id>", ttl = "1h")]
    pub async fn find_one(&self, id: i64) -> Rows<User> {
        self.runs.next();
        Ok(User::new(id))
    }
}

#[tokio::test]
#[isolated]
async fn a_method_shares_entries_with_a_function_of_another_shape() {
    let repo = Repo { tenant: "t".into(), runs: Runs::default() };
    let found = repo.find(&[1, 2]).await.unwrap();
    assert_eq!(repo.find_one(2).await.unwrap(), *found[&2]);
    repo.find_one(3).await.unwrap();
    let again = repo.find(&[1, 3]).await.unwrap();
    assert!(Arc::ptr_eq(&again[&1], &found[&1]), "a hit is no copy");
    assert_eq!(repo.runs.so_far(), 2);
    assert_eq!(repo.find_key(2), repo.find_one_key(2));
}

#[cached(key = "local:<ids[]>", ttl = "1h", local)]
async fn local(ids: &[i64]) -> HashMap<i64, Handle> {
    ids.iter().map(|id| (*id, Handle(Arc::new(*id)))).collect()
}

/// Without serde.
#[derive(Clone, Debug)]
struct Handle(Arc<i64>);

#[tokio::test]
#[isolated]
async fn values_without_serde_stay_here() {
    let first = local(&[1]).await;
    assert!(Arc::ptr_eq(&local(&[1, 2]).await[&1].0, &first[&1].0));
}

struct Connection(Vec<Vec<i64>>);

#[cached(key = "unique:<ids[]>", ttl = "1h", outside_tx)]
async fn unique(db: &mut Connection, ids: &[i64]) -> HashMap<i64, i64> {
    tokio::task::yield_now().await;
    db.0.push(ids.to_vec());
    ids.iter().map(|id| (*id, *id)).collect()
}

#[tokio::test]
async fn a_batch_can_be_spawned_and_borrow_what_it_likes() {
    let cache = Cache::builder().build().unwrap();
    let task = tokio::spawn(async move {
        let mut db = Connection(Vec::new());
        cache
            .scope(async {
                unique(&mut db, &[1, 2]).await;
                unique(&mut db, &[2, 3]).await;
            })
            .await;
        db.0
    });
    assert_eq!(task.await.unwrap(), [vec![1, 2], vec![3]]);
}

#[cached(key = "short:<ids[]>", ttl = "1h")]
async fn short(ids: &[i64]) -> Vec<Option<i64>> {
    ids.iter().skip(1).copied().map(Some).collect()
}

#[tokio::test]
#[isolated]
#[should_panic(expected = "a batch answered 2 ids with 1 values")]
async fn a_vector_with_a_place_too_few_is_not_guessed_at() {
    short(&[1, 2]).await;
}
