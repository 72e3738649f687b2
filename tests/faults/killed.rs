//! Redis dies and comes back empty.

use cachekit_test_support::RedisServer;

use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_restarted_under_load() {
    let mut server = RedisServer::start();
    let load = Load::start(&server.url()).await;
    for _ in 0..2 {
        server.kill();
        load.until_cut_off().await;
        server.restart();
        load.until_hitting().await;
        load.until_applying().await;
    }
    load.end().await;
}
