//! Redis becomes a replica: it has every entry, and none can be invalidated.

use cachekit_test_support::{RedisServer, Reply};

use crate::load::Load;

fn replica_of(server: &RedisServer, host: &str, port: &str) {
    let reply = server.connection().call(&["REPLICAOF", host, port]);
    assert_eq!(reply, Reply::Simple("OK".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demoted_and_promoted_under_load() {
    let server = RedisServer::start();
    let load = Load::start(&server.url()).await;
    // Nobody listens there, so it keeps its data.
    replica_of(&server, "127.0.0.1", "1");
    load.until_cut_off().await;
    let hits = load.hits();
    load.until_cut_off().await;
    assert_eq!(load.hits(), hits, "an entry that cannot be invalidated is not served");
    replica_of(&server, "NO", "ONE");
    load.until_hitting().await;
    load.until_applying().await;
    load.end().await;
}
