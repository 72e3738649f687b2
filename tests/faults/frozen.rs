//! Redis keeps its connections and answers nothing, then carries out all that was sent.

use cachekit_test_support::RedisServer;

use crate::load::Load;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_and_thawed_under_load() {
    let server = RedisServer::start();
    let load = Load::start(&server.url()).await;
    server.stop_with_sigstop();
    load.until_cut_off().await;
    server.cont();
    load.until_hitting().await;
    load.until_applying().await;
    load.end().await;
}
