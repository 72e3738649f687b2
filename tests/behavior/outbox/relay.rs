//! One relay: what it does with rows that are sound, broken, refused, left behind, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use cachekit::events::Event;
use cachekit::outbox::{DeadRow, Relay};
use cachekit::{Cache, ErrorKind, Outcome};
use cachekit_test_support::{Proxy, RedisServer, Reply, invalidation};
use cachekit_tests::{
    Entries, cache, first_poll, item, patient_builder, soon, until, until_async, until_linked,
};
use sqlx::{Pool, Sqlite};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::databases::{
    NAMESPACE, Tested, claim, claim_as, claim_of, count, event_row, fresh, host, make_due, row,
    set, write,
};

const NEVER: Duration = Duration::from_secs(3600);

async fn database() -> (TempDir, Pool<Sqlite>) {
    let host = host::<Sqlite>();
    let pool = fresh::<Sqlite>(&host).await;
    (host, pool)
}

async fn write_due(pool: &Pool<Sqlite>, keys: &[&str]) {
    for key in keys {
        write(pool, &row(key)).await;
    }
    make_due(pool).await;
}

/// A relay that looks often, and what it gives up.
fn relay(cache: &Cache, pool: &Pool<Sqlite>) -> (Relay<Sqlite>, mpsc::UnboundedReceiver<DeadRow>) {
    let (told, dead) = mpsc::unbounded_channel();
    let relay = Relay::new(cache, pool).poll_interval(Duration::from_millis(5));
    let relay = relay.on_dead(move |row| {
        told.send(row.clone()).unwrap();
        panic!("a hook's panic must not end the relay");
    });
    (relay, dead)
}

async fn until_done(pool: &Pool<Sqlite>, rows: i64) {
    until_async("rows are done", async || count(pool, "state = 1").await == rows).await;
}

/// Lets the server refuse whatever is not `item:*`.
fn forbid_all_but_items(entries: &mut Entries) {
    let items = ["~ck:t:item:*", "~ck:t:~t:item:*"];
    entries.raw(&["ACL", "SETUSER", "default", "resetkeys", items[0], items[1]]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_given_up_at_once_and_blocks_nobody() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let broken = row("item:1");
    write(&pool, &broken).await;
    set(&pool, Sqlite::broken_keys(), "1 = 1").await;
    write_due(&pool, &["item:2", "item:3"]).await;
    let (relay, mut dead) = relay(&cache, &pool);
    let _relay = relay.start();
    let told = soon(dead.recv()).await.unwrap();
    assert_eq!((told.id, told.attempts), (broken.id, 1));
    assert!(told.error.starts_with("keys: "), "{}", told.error);
    until_done(&pool, 2).await;
    assert_eq!(count(&pool, "state = 2 AND last_error LIKE 'keys: %'").await, 1);
}

#[tokio::test]
async fn a_refused_row_is_tried_again_given_up_in_the_end_and_can_be_sent_again() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let mut entries = Entries::of(&server);
    entries.call("SET", "item:1", &[b"old"]);
    entries.call("SET", "other:1", &[b"old"]);
    forbid_all_but_items(&mut entries);
    write_due(&pool, &["other:1", "item:1"]).await;
    let (relay, mut dead) = relay(&cache, &pool);
    let relay = relay.attempts(3).start();
    let told = soon(dead.recv()).await.unwrap();
    assert_eq!((told.attempts, told.error.as_str()), (3, "refused"));
    until_done(&pool, 1).await;
    assert_eq!(entries.pttl("item:1"), -2, "the other row was not held up");
    assert_eq!(relay.backlog().await.unwrap().dead, 1);

    entries.raw(&["ACL", "SETUSER", "default", "allkeys"]);
    assert_eq!(relay.redrive().await.unwrap(), 1);
    until_done(&pool, 2).await;
    assert_eq!(entries.pttl("other:1"), -2);
}

#[tokio::test]
async fn a_refused_row_does_no_harm_to_those_of_its_batch() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let mut entries = Entries::of(&server);
    forbid_all_but_items(&mut entries);
    write_due(&pool, &["item:1", "other:1", "item:2"]).await;
    let (relay, mut dead) = relay(&cache, &pool);
    let _relay = relay.attempts(1).start();
    soon(dead.recv()).await.unwrap();
    until_done(&pool, 2).await;
    assert!(dead.try_recv().is_err(), "the others were never refused");
}

#[tokio::test]
async fn a_dead_relay_s_rows_are_taken_over() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    write_due(&pool, &["item:1"]).await;
    let lease = Duration::from_millis(300);
    let dead = cachekit::sql::outbox::Claim { lease, ..claim_of("dead") };
    assert_eq!(claim_as(&pool, &dead).await.len(), 1);
    let (relay, _dead) = relay(&cache, &pool);
    let _relay = relay.start();
    until_done(&pool, 1).await;
    assert_eq!(count(&pool, "attempts = 2").await, 1);
}

#[tokio::test]
async fn nothing_is_claimed_while_redis_is_away() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    proxy.refuse(true);
    proxy.cut();
    until_linked(&cache, false).await;
    write_due(&pool, &["item:1"]).await;
    let log = "CREATE TABLE log (n); CREATE TRIGGER claims AFTER UPDATE OF claimed_by \
               ON cachekit_outbox BEGIN INSERT INTO log VALUES (1); END";
    Sqlite::run(&pool, log.to_owned()).await.unwrap();
    let (told, mut looks) = mpsc::unbounded_channel();
    let (relay, _dead) = relay(&cache, &pool);
    let _relay = relay
        .lag_threshold(Duration::ZERO)
        .on_lag(move |backlog| told.send(*backlog).unwrap_or_default())
        .start();
    // The backlog is looked at after the relay has had its turn.
    assert_eq!(looks.recv().await.unwrap().pending, 1);
    assert_eq!(Sqlite::number(&pool, "SELECT count(*) FROM log".to_owned()).await, 0);
    proxy.refuse(false);
    until_done(&pool, 1).await;
}

#[tokio::test]
async fn rows_of_a_link_that_breaks_under_them_are_given_back_untried() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    let unlinks = proxy.hold(invalidation);
    write_due(&pool, &["item:1", "item:2"]).await;
    let (relay, _dead) = relay(&cache, &pool);
    let _relay = relay.start();
    until("the rows are on their way", || unlinks.waiting() > 0).await;
    assert_eq!(count(&pool, "claimed_by IS NOT NULL AND attempts = 1").await, 2);
    proxy.refuse(true);
    proxy.cut();
    until_async("they are free", async || {
        count(&pool, "state = 0 AND claimed_by IS NULL AND attempts = 0").await == 2
    })
    .await;
    drop(unlinks);
    proxy.refuse(false);
    until_done(&pool, 2).await;
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_due() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let keys: Vec<_> = (0..500).map(|id| format!("item:{id}")).collect();
    write_due(&pool, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    write(&pool, &row("item:later")).await;
    let (relay, _dead) = relay(&cache, &pool);
    relay.batch(10).start().shutdown().await.unwrap();
    assert_eq!(count(&pool, "state = 1").await, 500);
    assert_eq!(count(&pool, "state = 0 AND claimed_by IS NULL").await, 1, "its writer has it yet");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_redis_that_is_away() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    proxy.refuse(true);
    proxy.cut();
    until_linked(&cache, false).await;
    write_due(&pool, &["item:1"]).await;
    let (relay, _dead) = relay(&cache, &pool);
    soon(relay.start().shutdown()).await.unwrap();
    assert_eq!(count(&pool, "state = 0").await, 1);
}

#[tokio::test]
async fn a_shutdown_says_when_rows_are_left_to_their_lease() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    let unlinks = proxy.hold(invalidation);
    write_due(&pool, &["item:1"]).await;
    let (relay, _dead) = relay(&cache, &pool);
    let relay = relay.drain_timeout(Duration::from_millis(10)).start();
    until("the row is on its way", || unlinks.waiting() > 0).await;
    let error = relay.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ShuttingDown);
    assert_eq!(count(&pool, "state = 0 AND claimed_by IS NOT NULL").await, 1);
}

/// A relay with something that lives as long as its task.
fn watched(cache: &Cache, pool: &Pool<Sqlite>) -> (Relay<Sqlite>, Arc<()>) {
    let alive = Arc::new(());
    let held = alive.clone();
    let relay = Relay::new(cache, pool).poll_interval(NEVER).on_dead(move |_| drop(held.clone()));
    (relay, alive)
}

#[tokio::test]
async fn a_relay_ends_with_its_handle_and_finishes_what_it_holds() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    let unlinks = proxy.hold(invalidation);
    write_due(&pool, &["item:1"]).await;
    let (relay, alive) = watched(&cache, &pool);
    let relay = relay.start();
    until("the row is on its way", || unlinks.waiting() > 0).await;
    drop(relay);
    drop(unlinks);
    until("the task is gone", || Arc::strong_count(&alive) == 1).await;
    assert_eq!(count(&pool, "state = 1").await, 1);
}

#[tokio::test]
async fn a_relay_ends_with_a_shutdown_that_nobody_waits_for() {
    let (_host, pool) = database().await;
    let cache = Cache::builder().build().unwrap();
    let (relay, alive) = watched(&cache, &pool);
    let mut shutdown = Box::pin(relay.start().shutdown());
    assert!(first_poll(shutdown.as_mut()).is_pending());
    drop(shutdown);
    until("the task is gone", || Arc::strong_count(&alive) == 1).await;
}

/// What the stream of `users` holds.
fn published(entries: &mut Entries) -> Vec<String> {
    let Reply::Array(found) = entries.raw(&["XRANGE", "ck~e:t:users", "-", "+"]) else {
        panic!("XRANGE was refused")
    };
    found.iter().map(|entry| format!("{entry:?}")).collect()
}

#[tokio::test]
async fn events_are_published_and_wake_the_relay() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let mut entries = Entries::of(&server);
    let (told, mut looks) = mpsc::unbounded_channel();
    write(&pool, &row("item:later")).await;
    // A lag of less than a millisecond is none.
    set(&pool, &format!("created_at = {}", Sqlite::earlier("created_at", 1)), "1 = 1").await;
    let _relay = Relay::new(&cache, &pool)
        .poll_interval(NEVER)
        .lag_threshold(Duration::ZERO)
        .on_lag(move |backlog| told.send(*backlog).unwrap_or_default())
        .start();
    looks.recv().await.unwrap();
    let mut tx = cache.begin(&pool).await.unwrap();
    tx.invalidate(item(1));
    tx.publish(Event::new("users", &"Ada").unwrap());
    tx.publish(Event::new("users", &"Grace").unwrap());
    assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
    soon(until_done(&pool, 1)).await;
    assert_eq!(published(&mut entries).len(), 2);
}

#[tokio::test]
async fn an_event_that_is_refused_holds_up_no_other_row_and_its_keys_are_gone_all_the_same() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let mut entries = Entries::of(&server);
    entries.call("SET", "item:1", &[b"old"]);
    forbid_all_but_items(&mut entries);
    let refused = event_row("item:1");
    write(&pool, &refused).await;
    write_due(&pool, &["item:2"]).await;
    let (relay, mut dead) = relay(&cache, &pool);
    let _relay = relay.attempts(2).start();
    assert_eq!(soon(dead.recv()).await.unwrap().id, refused.id);
    until_done(&pool, 1).await;
    assert_eq!(entries.pttl("item:1"), -2);
}

#[tokio::test]
async fn rows_that_are_sent_again_wake_the_relay() {
    let (_host, pool) = database().await;
    let server = RedisServer::start();
    let cache = cache(&server.url()).await;
    let (told, mut looks) = mpsc::unbounded_channel();
    write(&pool, &row("item:1")).await;
    set(&pool, "state = 2", "1 = 1").await;
    write(&pool, &row("item:2")).await;
    set(
        &pool,
        // A lag of less than a millisecond is none.
        &format!(
            "created_at = {}, claimed_until = {} + 100000",
            Sqlite::earlier("created_at", 1),
            Sqlite::earlier("created_at", 0)
        ),
        "state = 0",
    )
    .await;
    let relay = Relay::new(&cache, &pool)
        .poll_interval(NEVER)
        .lag_threshold(Duration::ZERO)
        .on_lag(move |backlog| told.send(*backlog).unwrap_or_default())
        .start();
    looks.recv().await.unwrap();
    assert_eq!(relay.redrive().await.unwrap(), 1);
    soon(until_done(&pool, 1)).await;
}

#[tokio::test]
async fn without_redis_rows_are_done_as_they_come() {
    let (_host, pool) = database().await;
    let cache = Cache::builder().build().unwrap();
    let mut row = row("item:1");
    row.namespace.clear();
    write(&pool, &row).await;
    make_due(&pool).await;
    let (relay, _dead) = relay(&cache, &pool);
    relay.start().shutdown().await.unwrap();
    assert_eq!(count(&pool, "state = 1").await, 1);
}

#[tokio::test]
async fn done_rows_go_after_their_time() {
    let (_host, pool) = database().await;
    let cache = Cache::builder().build().unwrap();
    let insert = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500) \
                  INSERT INTO cachekit_outbox (id, state, created_at, done_at) \
                  SELECT randomblob(16), 1, 1, 1 FROM n";
    Sqlite::run(&pool, insert.to_owned()).await.unwrap();
    write(&pool, &event_row("item:1")).await;
    let (relay, _dead) = relay(&cache, &pool);
    let _relay = relay.start();
    until_async("they are gone", async || count(&pool, "state = 1").await == 0).await;
    assert_eq!(count(&pool, "1 = 1").await, 1);
    assert_eq!(claim(&pool, NAMESPACE).await.len(), 1, "another namespace's row is still there");
}
