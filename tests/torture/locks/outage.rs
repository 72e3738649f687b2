//! Redis is killed while locks are held and waited for.

use std::time::{Duration, Instant};

use cachekit::{Cache, ErrorKind, locked};
use cachekit_test_support::RedisServer;
use tokio::{sync::mpsc, task::JoinSet, time};

use crate::{fleet::machine, settings::tell};

const HOLDERS: u64 = 20;
const LEASE: Duration = Duration::from_secs(1);
const WAIT: Duration = Duration::from_secs(3);

#[locked(key = "held:<id>", lease = LEASE, cache = cache)]
async fn hold(cache: &Cache, id: u64, held: mpsc::Sender<()>) -> Result<(), cachekit::Error> {
    held.send(()).await.expect("the test waits for this");
    std::future::pending().await
}

#[locked(key = "held:<id>", wait = WAIT, cache = cache)]
async fn wait_for(cache: &Cache, id: u64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_learn_of_a_killed_redis_within_their_lease_and_nobody_waits_for_ever() {
    let _machine = machine().await;
    let mut server = RedisServer::start();
    let (mut holders, mut waiters) = (JoinSet::new(), JoinSet::new());
    let (held, mut all_held) = mpsc::channel(1);
    for id in 0..HOLDERS {
        let (holder, held) = (cache(&server).await, held.clone());
        holders.spawn(async move { hold(&holder, id, held).await });
        all_held.recv().await.expect("it holds the lock");
        let waiter = cache(&server).await;
        waiters.spawn(async move { wait_for(&waiter, id).await });
    }
    // Renewed at least once, so that the lease is not the first one.
    time::sleep(LEASE).await;
    assert!(holders.try_join_next().is_none() && waiters.try_join_next().is_none());
    server.kill();
    let killed = Instant::now();
    while let Some(ended) = holders.join_next().await {
        let error = ended.expect("no panic").expect_err("it cannot end otherwise");
        assert_eq!(error.kind(), ErrorKind::LockLost);
        assert!(killed.elapsed() <= LEASE, "a holder learnt of it after {:?}", killed.elapsed());
    }
    let holders_knew = killed.elapsed();
    while let Some(ended) = waiters.join_next().await {
        let kind = ended.expect("no panic").expect_err("nobody released it").kind();
        let known = [ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::WaitExhausted];
        assert!(known.contains(&kind), "{kind:?}");
        assert!(killed.elapsed() <= WAIT, "a waiter waited for {:?}", killed.elapsed());
    }
    tell(format_args!(
        "Redis killed: {HOLDERS} holders with a lease of {LEASE:?} knew after {holders_knew:?}, their waiters after {:?}",
        killed.elapsed()
    ));
}

async fn cache(server: &RedisServer) -> Cache {
    let builder = Cache::builder().namespace("outage").redis(&server.url()).await.expect("redis");
    builder.build().expect("a cache")
}
