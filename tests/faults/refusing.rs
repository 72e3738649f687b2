//! Redis refuses writes: at its memory limit, where it still deletes, or for want of replicas, where it does not.

use cachekit_test_support::RedisServer;

use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_under_load() {
    let server = RedisServer::start();
    let load = Load::start(&server.url()).await;
    server.config_set("maxmemory-policy", "noeviction");
    server.config_set("maxmemory", "1");
    load.until_bypassing().await;
    load.until_applying().await;
    let hits = load.hits();
    load.until_bypassing().await;
    assert!(load.hits() > hits, "what it has is as good as ever");
    server.config_set("maxmemory", "0");
    load.until_hitting().await;
    load.until_applying().await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_replicas_under_load() {
    let server = RedisServer::start();
    let load = Load::start(&server.url()).await;
    server.config_set("min-replicas-to-write", "1");
    load.until_cut_off().await;
    let hits = load.hits();
    load.until_cut_off().await;
    assert_eq!(load.hits(), hits, "an entry that cannot be invalidated is not served");
    server.config_set("min-replicas-to-write", "0");
    load.until_hitting().await;
    load.until_applying().await;
    load.end().await;
}
