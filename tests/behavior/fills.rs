//! A fill enters only where its lease still stands, and only once.

use std::sync::Arc;
use std::time::Duration;

use cachekit::{Cache, Outcome, Peek, Status, with_status};
use cachekit_test_support::{Command, Proxy, RedisServer};
use cachekit_tests::{Entries, POLICY, builder, cache, item, soon};
use tokio::sync::{Notify, oneshot};

#[tokio::test]
async fn late_fill_after_invalidate_is_refused() {
    let server = RedisServer::start();
    let (a, b) = (cache(&server.url()).await, cache(&server.url()).await);
    for writer in [&a, &b] {
        let load = async || {
            assert_eq!(writer.invalidate(item(7)).await, Outcome::Applied);
            Ok::<_, ()>(1_u64)
        };
        assert_eq!(soon(a.get_or_load(item(7), &POLICY, load)).await, Ok(1));
        assert_eq!(a.peek::<u64>(&item(7)).await, Peek::Miss);
    }
}

/// A load whose caller is deposed before it ends.
async fn slow(
    cache: Cache,
    begun: oneshot::Sender<()>,
    go: Arc<Notify>,
) -> (Result<u64, ()>, Status) {
    let load = async || {
        begun.send(()).unwrap();
        go.notified().await;
        Ok(1)
    };
    with_status(cache.get_or_load(item(1), &POLICY, load)).await
}

fn is_fill(command: &Command) -> bool {
    command.is("EVALSHA") && command.script_args() == Some(4)
}

#[tokio::test]
async fn two_fills_under_one_lease_one_wins() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let builder = builder(&proxy.url()).await;
    let cache = builder.leader_wait(Duration::from_millis(50)).build().unwrap();
    let (begun, has_begun) = oneshot::channel();
    let go = Arc::new(Notify::new());
    let first = tokio::spawn(slow(cache.clone(), begun, go.clone()));
    has_begun.await.unwrap();
    let second = cache.get_or_load(item(1), &POLICY, async || Ok::<_, ()>(2_u64));
    assert_eq!(soon(with_status(second)).await, (Ok(2), Status::Loaded));
    let entry = Entries::of(&server).get("item:1");
    go.notify_one();
    assert_eq!(soon(first).await.unwrap(), (Ok(1), Status::Loaded));
    assert_eq!(Entries::of(&server).get("item:1"), entry, "the older value came last");
    let commands = proxy.commands().into_iter().filter(is_fill);
    let leases = commands.map(|command| command.args[4].clone()).collect::<Vec<_>>();
    assert_eq!(leases.len(), 2, "both loads were filled");
    assert_eq!(leases[0], leases[1], "under one lease");
}
