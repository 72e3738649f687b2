//! Relays on each database: they share the work, and wait while Redis is away.

use std::time::{Duration, Instant};

use cachekit::Cache;
use cachekit::outbox::Relay;
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{Entries, cache, until_async, until_linked};
use sqlx::Pool;
use tokio::sync::mpsc;

use super::databases::{Tested, claim, count, make_due, on_each_database, row, set, write};

on_each_database! {
    two_relays_share_the_rows,
    nothing_is_claimed_while_redis_is_away_and_everything_soon_after,
}

async fn write_many<DB: Tested>(pool: &Pool<DB>, range: std::ops::Range<usize>) {
    let mut tx = pool.begin().await.unwrap();
    for id in range {
        DB::insert(&mut tx, &row(&format!("item:{id}"))).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn until_done<DB: Tested>(pool: &Pool<DB>) {
    until_async("every row is done", async || count(pool, "state <> 1").await == 0).await;
}

#[allow(clippy::print_stdout, reason = "how long it took is worth knowing")]
async fn two_relays_share_the_rows<DB: Tested>(pool: Pool<DB>) {
    const ROWS: usize = 3000;
    let server = RedisServer::start();
    let mut entries = Entries::of(&server);
    write_many(&pool, 0..ROWS).await;
    make_due(&pool).await;
    for id in 0..ROWS {
        entries.call("SET", &format!("item:{id}"), &[b"old"]);
    }
    let caches = [cache(&server.url()).await, cache(&server.url()).await];
    let begun = Instant::now();
    let relays = caches.each_ref().map(|cache| Relay::new(cache, &pool).start());
    until_done(&pool).await;
    println!("{ROWS} rows in {:?}", begun.elapsed());
    assert_eq!(entries.keys("ck:t:item:"), Vec::<String>::new(), "each was applied");
    assert_eq!(count(&pool, "attempts = 1").await, ROWS as i64, "no row was claimed by both");
    for relay in relays {
        relay.shutdown().await.unwrap();
    }
}

async fn cut_off(proxy: &Proxy, cache: &Cache) {
    proxy.refuse(true);
    proxy.cut();
    until_linked(cache, false).await;
}

async fn nothing_is_claimed_while_redis_is_away_and_everything_soon_after<DB: Tested>(
    pool: Pool<DB>,
) {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let cache = cache(&proxy.url()).await;
    let mut entries = Entries::of(&server);
    write_many(&pool, 0..1000).await;
    make_due(&pool).await;
    for id in 0..1000 {
        entries.call("SET", &format!("item:{id}"), &[b"old"]);
    }
    // One was refused before the outage, and was to be tried long after it.
    let refused = row("item:1000");
    write(&pool, &refused).await;
    make_due(&pool).await;
    claim(&pool, "before").await;
    set(&pool, "claimed_by = NULL, claimed_until = NULL, attempts = 0", "1 = 1").await;
    let later = DB::earlier("available_at", 1000).replace(" - ", " + ");
    let id = format!("id = {}", DB::literal(refused.id));
    set(&pool, &format!("available_at = {later}"), &id).await;

    cut_off(&proxy, &cache).await;
    let (told, mut looks) = mpsc::unbounded_channel();
    let relay = Relay::new(&cache, &pool)
        .poll_interval(Duration::from_millis(5))
        .lag_threshold(Duration::ZERO)
        .on_lag(move |backlog| told.send(*backlog).unwrap_or_default())
        .start();
    let backlog = looks.recv().await.unwrap();
    assert_eq!(backlog.pending, 1001);
    assert_eq!(count(&pool, "attempts > 0").await, 0, "nothing is claimed");

    proxy.refuse(false);
    until_linked(&cache, true).await;
    let back = Instant::now();
    until_done(&pool).await;
    assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
    for id in 0..1000 {
        assert_eq!(entries.pttl(&format!("item:{id}")), -2, "entry {id} is gone");
    }
    relay.shutdown().await.unwrap();
}
