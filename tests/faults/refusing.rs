//! Redis is at its memory limit: it takes no writes, and still deletes.

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
