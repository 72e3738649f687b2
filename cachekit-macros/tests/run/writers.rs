//! `#[invalidates]`.

use std::sync::Mutex;
use std::time::Duration;

use cachekit::{Cache, Key, Outcome, cached, invalidates, isolated, key, with_receipt};

use crate::support::{Broken, Runs};

#[cached(key = "written:<id>", ttl = "1h")]
async fn find(runs: &Runs, id: i64) -> u32 {
    runs.next() + u32::try_from(id).unwrap()
}

fn find_key_of(id: i64) -> Key {
    key!("written:<id>")
}

mod elsewhere {
    #[cachekit::cached(key = "elsewhere:<tenant>:<name>", ttl = "1h")]
    pub(crate) async fn find(runs: &super::Runs, tenant: i64, name: &str) -> u32 {
        runs.next() + u32::try_from(tenant).unwrap() + u32::try_from(name.len()).unwrap()
    }
}

struct Users {
    runs: Runs,
}

impl Users {
    #[cached(key = "users:<id>", ttl = "1h", shared)]
    pub async fn find(&self, id: i64) -> u32 {
        self.runs.next() + u32::try_from(id).unwrap()
    }
}

struct Service {
    users: Users,
}

struct User {
    id: i64,
    name: String,
}

impl Service {
    #[invalidates(elsewhere::find(1, user.name), self.users.find(user.id), find(user.id))]
    async fn rename(&self, user: User) -> Result<String, Broken> {
        Ok(user.name)
    }
}

#[tokio::test]
#[isolated]
async fn paths_fields_and_methods_name_their_reads() {
    let runs = Runs::default();
    let service = Service { users: Users { runs: Runs::default() } };
    let read_all = async || {
        find(&runs, 1).await;
        elsewhere::find(&runs, 1, "a").await;
        service.users.find(1).await;
        (runs.so_far(), service.users.runs.so_far())
    };
    assert_eq!(read_all().await, (2, 1));
    assert_eq!(read_all().await, (2, 1));
    assert_eq!(service.rename(User { id: 1, name: "a".into() }).await.unwrap(), "a");
    assert_eq!(read_all().await, (4, 2));
}

#[invalidates("written:<id>")]
async fn by_template(id: i64) {
    let _ = id;
}

#[invalidates(key = find_key_of(id), key = find_key_of(other))]
async fn by_expressions(id: i64, other: i64) {
    let _ = (id, other);
}

#[invalidates(keys = ids.iter().copied().map(find_key_of), find(7))]
async fn by_iterator(ids: Vec<i64>) -> usize {
    let taken = ids;
    taken.len()
}

#[tokio::test]
#[isolated]
async fn every_way_to_name_a_key() {
    let runs = Runs::default();
    let again = async |id| {
        let before = runs.so_far();
        find(&runs, id).await;
        runs.so_far() - before
    };
    assert_eq!((again(1).await, again(2).await, again(7).await), (1, 1, 1));
    by_template(1).await;
    assert_eq!((again(1).await, again(2).await), (1, 0));
    by_expressions(1, 2).await;
    assert_eq!((again(1).await, again(2).await, again(7).await), (1, 1, 0));
    by_iterator(vec![1, 2]).await;
    assert_eq!((again(1).await, again(2).await, again(7).await), (1, 1, 1));
}

#[invalidates(find(id))]
async fn ends(id: i64, how: &str) -> Result<(), Broken> {
    match how {
        "ok" => Ok(()),
        "err" => Err(Broken),
        "panic" => panic!("{how} {id}"),
        _ => std::future::pending().await,
    }
}

#[tokio::test]
#[isolated]
async fn invalidates_on_ok_err_panic_and_drop() {
    let runs = Runs::default();
    for (how, expected) in [("ok", 2), ("err", 3), ("panic", 4), ("drop", 5)] {
        find(&runs, 1).await;
        match how {
            "panic" => {
                let caught = tokio::spawn(cachekit::inherit(ends(1, "panic"))).await;
                assert!(caught.unwrap_err().is_panic());
            }
            "drop" => {
                let mut call = Box::pin(ends(1, how));
                let polled = futures_poll_once(&mut call).await;
                assert!(!polled);
            }
            _ => drop(ends(1, how).await),
        }
        find(&runs, 1).await;
        assert_eq!(runs.so_far(), expected, "{how}");
    }
}

/// Whether one poll was enough.
async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready())
    })
    .await
}

#[invalidates(find(id), on_err = "keep")]
async fn kept(id: i64, fails: bool) -> Result<(), Broken> {
    let _ = id;
    if fails { Err(Broken) } else { Ok(()) }
}

#[tokio::test]
#[isolated]
async fn on_err_keep() {
    let runs = Runs::default();
    find(&runs, 1).await;
    kept(1, true).await.unwrap_err();
    find(&runs, 1).await;
    assert_eq!(runs.so_far(), 1);
    kept(1, false).await.unwrap();
    find(&runs, 1).await;
    assert_eq!(runs.so_far(), 2);
}

#[invalidates(elsewhere::find(tenant, name), again_after = "500ms")]
async fn consumes(tenant: i64, name: String) -> String {
    let _ = tenant;
    let moved = name;
    moved + "!"
}

#[tokio::test]
#[isolated]
async fn key_taken_before_arguments_move() {
    let runs = Runs::default();
    elsewhere::find(&runs, 1, "a").await;
    assert_eq!(consumes(1, "a".into()).await, "a!");
    elsewhere::find(&runs, 1, "a").await;
    assert_eq!(runs.so_far(), 2);
}

#[invalidates(find(ret.id), "list:<ret.name>", again_after = Duration::from_secs(1))]
async fn insert(name: String) -> Result<User, Broken> {
    let id = i64::try_from(name.len()).map_err(|_| Broken)?;
    Ok(User { id, name })
}

#[invalidates(key = find_key_of(ret.id), keys = [ret.id].map(find_key_of))]
async fn insert_option(id: i64) -> Option<User> {
    (id > 0).then(|| User { id, name: String::new() })
}

#[invalidates(find(ret))]
async fn insert_or_not(id: i64) -> Result<Option<i64>, Broken> {
    Ok((id > 0).then_some(id))
}

#[tokio::test]
#[isolated]
async fn ret_key_on_insert() {
    let runs = Runs::default();
    find(&runs, 3).await;
    insert("Ada".into()).await.unwrap();
    find(&runs, 3).await;
    assert_eq!(runs.so_far(), 2);
    assert!(insert_option(-1).await.is_none());
    insert_option(3).await.unwrap();
    find(&runs, 3).await;
    assert_eq!(runs.so_far(), 3);
    assert!(insert_or_not(-1).await.unwrap().is_none());
    insert_or_not(3).await.unwrap();
    find(&runs, 3).await;
    assert_eq!(runs.so_far(), 4);
}

#[cached(key = "over:<id>", ttl = "1h")]
#[invalidates(find(id))]
async fn cached_over(runs: &Runs, id: i64) -> u32 {
    runs.next() + u32::try_from(id).unwrap()
}

#[invalidates(find(id))]
#[cached(key = "under:<id>", ttl = "1h")]
async fn cached_under(runs: &Runs, id: i64) -> u32 {
    runs.next() + u32::try_from(id).unwrap()
}

/// The attribute on top expands first, so it is the inner one: as with `#[instrument]`.
#[tokio::test]
#[isolated]
async fn cached_over_invalidates() {
    let (reads, over, under) = (Runs::default(), Runs::default(), Runs::default());
    for _ in 0..2 {
        find(&reads, 1).await;
        cached_over(&over, 1).await;
    }
    assert_eq!((reads.so_far(), over.so_far()), (2, 1), "every call invalidates");
    for _ in 0..3 {
        find(&reads, 1).await;
        cached_under(&under, 1).await;
    }
    assert_eq!((reads.so_far(), under.so_far()), (4, 1), "loads invalidate");
}

#[invalidates(find(id), "list:<id>", keys = others.iter().copied().map(find_key_of), find(ret))]
async fn write_many(id: i64, others: Vec<i64>) -> Result<i64, Broken> {
    if id > 0 { Ok(id + 100) } else { Err(Broken) }
}

#[tokio::test]
#[isolated]
async fn receipt_lists_each_key() {
    let keys = |receipt: &cachekit::Receipt| {
        let keys = receipt.entries().iter().map(|(key, outcome)| {
            assert_eq!(*outcome, Outcome::Applied);
            key.as_str().to_owned()
        });
        keys.collect::<Vec<_>>()
    };
    let runs = Runs::default();
    let calls = async {
        find(&runs, 5).await;
        let written = write_many(1, vec![2, 3]).await;
        (written.unwrap(), write_many(-1, Vec::new()).await.is_err(), by_template(7).await)
    };
    let (out, receipt) = with_receipt(calls).await;
    assert_eq!(out, (101, true, ()));
    let of_first = ["written:1", "list:1", "written:2", "written:3", "written:101"];
    let of_others = ["written:-1", "list:-1", "written:7"];
    assert_eq!(keys(&receipt), [&of_first[..], &of_others[..]].concat());
    let (_, receipt) = with_receipt(find(&runs, 5)).await;
    assert_eq!(keys(&receipt), Vec::<String>::new(), "a read invalidates nothing");
}

struct Holder {
    cache: Cache,
    log: Mutex<Vec<i64>>,
}

impl Holder {
    #[invalidates(find(id), cache = self.cache)]
    async fn write(&self, id: i64) {
        self.log.lock().unwrap().push(id);
    }

    #[invalidates(find(id), cache = self.cache)]
    async fn write_and_drop(self, id: i64) -> usize {
        let log = self.log.into_inner().unwrap();
        log.len() + usize::try_from(id).unwrap()
    }
}

#[tokio::test]
async fn a_writer_may_name_its_cache() {
    let cache = Cache::builder().build().unwrap();
    let runs = Runs::default();
    let holder = Holder { cache: cache.clone(), log: Mutex::default() };
    cache.scope(find(&runs, 1)).await;
    holder.write(1).await;
    cache.scope(find(&runs, 1)).await;
    assert_eq!(runs.so_far(), 2);
    assert_eq!(holder.write_and_drop(1).await, 2);
    cache.scope(find(&runs, 1)).await;
    assert_eq!(runs.so_far(), 3);
}

#[tokio::test]
#[should_panic(expected = "::write` invalidates a cache, but none is in scope or installed; call \
                           `Cache::install`, or in tests `#[cachekit::isolated]`")]
async fn no_cache_write_panics_before_body() {
    #[invalidates("written:<id>")]
    async fn write(id: i64) {
        panic!("the body ran with {id}");
    }
    write(1).await;
}
