//! Many keys are invalidated in few round trips, and each for itself: one that is refused holds up no other.

use std::time::Duration;

use cachekit::{Cache, Key, Outcome, Status, key, with_status};
use cachekit_test_support::{Proxy, RedisServer, Reply, invalidation};
use cachekit_tests::{
    Entries, NAMESPACE, PATIENCE, POLICY, first_poll, item, patient_builder, soon, until,
    until_async,
};

const COUNT: u64 = 1000;

/// How many keys a batch has.
const BATCH: usize = 256;

fn forbidden() -> Key {
    key!("secret")
}

async fn status(cache: &Cache, key: Key) -> Status {
    with_status(cache.get_or_load(key, &POLICY, async || Ok::<_, ()>(1_u64))).await.1
}

/// A server whose user `app` may touch items only.
fn guarded() -> RedisServer {
    let server = RedisServer::start();
    let items = format!("~ck:{NAMESPACE}:item:*");
    let tags = format!("~ck:{NAMESPACE}:~t:item:*");
    let acl = ["ACL", "SETUSER", "app", "on", "nopass", &items, &tags, "+@all"];
    assert_eq!(Entries::of(&server).raw(&acl), Reply::Simple("OK".to_owned()));
    server
}

/// Allows the rest as well.
fn relent(server: &RedisServer) {
    let acl = ["ACL", "SETUSER", "app", "allkeys"];
    assert_eq!(Entries::of(server).raw(&acl), Reply::Simple("OK".to_owned()));
}

fn count(proxy: &Proxy, key: &str) -> usize {
    let key = format!("ck:{NAMESPACE}:{key}");
    proxy.count(|command| command.is("UNLINK") && command.args[1] == key.as_bytes())
}

#[tokio::test]
async fn a_refused_key_among_a_thousand_is_alone_in_being_pending() {
    let server = guarded();
    let proxy = Proxy::start(server.port());
    let url = proxy.url().replace("//", "//app:any@");
    let wait = Duration::from_secs(1);
    let cache = patient_builder(&url).await.invalidate_wait(wait).build().unwrap();
    // In the midst of a batch.
    let keys = (0..100).map(item).chain([forbidden()]).chain((100..COUNT).map(item));
    for (key, outcome) in cache.invalidate_many(keys).await {
        let expected = if key == forbidden() { Outcome::Pending } else { Outcome::Applied };
        assert_eq!(outcome, expected, "{key:?}");
    }
    assert_eq!(proxy.count(invalidation) - count(&proxy, "secret"), COUNT as usize);
    assert_eq!(status(&cache, item(1)).await, Status::Loaded, "what is through is not dirty");
    assert_eq!(status(&cache, forbidden()).await, Status::Bypassed);
    relent(&server);
    // Its own writer need not wait for the slow retry.
    assert_eq!(soon(cache.invalidate(forbidden())).await, Outcome::Applied);
    let loaded = async || status(&cache, forbidden()).await == Status::Hit;
    soon(until_async("the key is clean", loaded)).await;
}

#[tokio::test]
async fn a_key_that_is_refused_for_itself_is_not_sent_along_with_every_other() {
    let server = guarded();
    let proxy = Proxy::start(server.port());
    let url = proxy.url().replace("//", "//app:any@");
    let wait = Duration::from_millis(1);
    let cache = patient_builder(&url).await.invalidate_wait(wait).build().unwrap();
    assert_eq!(cache.invalidate(forbidden()).await, Outcome::Pending);
    until("its quick tries are over", || count(&proxy, "secret") == 3).await;
    for id in 0..50 {
        let sent = proxy.count(invalidation);
        cache.invalidate(item(id)).await;
        until("it was sent", || proxy.count(invalidation) > sent).await;
    }
    assert!(count(&proxy, "secret") <= 5, "{}", count(&proxy, "secret"));
}

#[tokio::test]
async fn a_thousand_keys_take_four_round_trips() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let builder = patient_builder(&proxy.url()).await;
    let cache = builder.invalidate_wait(PATIENCE).build().unwrap();
    let replies = proxy.hold_replies(invalidation);
    let mut many = Box::pin(cache.invalidate_many((0..COUNT).map(item)));
    assert!(first_poll(many.as_mut()).is_pending());
    for sent in [BATCH, 2 * BATCH, 3 * BATCH, COUNT as usize] {
        // All of a batch is on its way before the first reply, and nothing of the next.
        until("a batch was sent", || proxy.count(invalidation) == sent).await;
        until("a reply waits", || replies.waiting() == 1).await;
        assert_eq!(proxy.count(invalidation), sent);
        replies.release(BATCH);
    }
    drop(replies);
    assert!(soon(many).await.iter().all(|(_, outcome)| *outcome == Outcome::Applied));
}
