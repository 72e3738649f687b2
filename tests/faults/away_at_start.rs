//! A service starts before its Redis.

use std::time::{Duration, Instant};

use cachekit::{Outcome, RedisOptions, Status, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{POLICY, item, soon, until_linked, with_options};

use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_at_start_and_used_once_it_is_there() {
    let mut server = RedisServer::start();
    server.kill();
    let load = Load::start_cold(&server.url()).await;
    load.until_cut_off().await;
    server.restart();
    load.until_hitting().await;
    load.until_applying().await;
    load.end().await;
}

#[tokio::test]
async fn frozen_at_start_and_used_once_it_answers() {
    let server = RedisServer::start();
    server.stop_with_sigstop();
    let begun = Instant::now();
    let options = RedisOptions::new().connect_timeout(Duration::from_millis(50));
    let cache = soon(with_options(&server.url(), options)).await.build().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "it waited {:?}", begun.elapsed());
    let load = async || Ok::<_, ()>(1_u64);
    let read = soon(with_status(cache.get_or_load(item(1), &POLICY, load))).await;
    assert_eq!(read, (Ok(1), Status::Bypassed));
    assert_eq!(soon(cache.invalidate(item(1))).await, Outcome::Pending);
    server.cont();
    until_linked(&cache, true).await;
    soon(cache.shutdown()).await.unwrap();
}
