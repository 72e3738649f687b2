//! Redis, or the way to it, is slow: within the response time-out, and beyond it.

use std::time::Duration;

use cachekit_test_support::{Proxy, RedisServer, named};

use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_second_of_silence_under_load() {
    let server = RedisServer::start_with(&["--enable-debug-command", "local"], &[]);
    let load = Load::start(&server.url()).await;
    let mut debug = server.connection();
    let silence = std::thread::spawn(move || debug.call(&["DEBUG", "SLEEP", "0.5"]));
    load.until_noticed().await;
    silence.join().unwrap();
    load.until_hitting().await;
    load.until_applying().await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_replies_within_the_time_out_are_waited_for() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let load = Load::start(&proxy.url()).await;
    let connections = proxy.count(named("HELLO"));
    // One at a time, so that the whole pipeline behind it is late as well.
    let slow = proxy
        .delay(Duration::from_millis(30), |command| command.is("UNLINK") && fastrand::u8(..) < 64);
    load.until_hitting().await;
    load.until_applying().await;
    assert!(slow.met() > 2);
    assert_eq!(proxy.count(named("HELLO")), connections, "the link stayed up");
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_beyond_the_time_out_are_not_waited_for() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let load = Load::start(&proxy.url()).await;
    let slow = proxy.delay(Duration::from_millis(400), |_| true);
    load.until_cut_off().await;
    drop(slow);
    load.until_hitting().await;
    load.until_applying().await;
    load.end().await;
}
