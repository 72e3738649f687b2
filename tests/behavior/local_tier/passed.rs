//! Who is given no copy, though one is there: reads inside loads, and sessions that know of what was written.

use std::time::Duration;

use cachekit::{
    Cache, LocalTier, Outcome, Peek, Policy, Scope, SessionBounds, SessionSecrets, Status, Ttl,
    key, with_status,
};
use cachekit_test_support::{Proxy, RedisServer, Rule};
use cachekit_tests::{PATIENCE, POLICY, cache, item, local_builder, soon, until, until_local};

use super::asked;

const TTL_MS: u64 = 200;

/// Good for a moment, and for an hour more where nothing newer is to be had.
const KEPT: Policy = Policy::from_parts(Ttl::from_millis(TTL_MS, 0), None)
    .stale_if_error(Duration::from_secs(3600))
    .hard_timeout(PATIENCE);

/// Reads `item:1`; loads 1 if nothing is there.
async fn read(cache: &Cache) -> u64 {
    let load = async || Ok::<_, cachekit::Error>(1);
    cache.try_get_or_load(item(1), &KEPT, load).await.unwrap()
}

/// The source is away.
async fn read_in_vain(cache: &Cache) -> (Result<u64, ()>, Status) {
    with_status(cache.get_or_load(item(1), &KEPT, async || Err(()))).await
}

/// A process with a copy of 0 that is past its TTL, and of which it was not told that it was invalidated meanwhile.
async fn with_old_copy(proxy: &Proxy) -> (Cache, Rule) {
    let local = LocalTier::new().staleness(PATIENCE);
    let builder = local_builder(&proxy.url(), local).await;
    let builder = builder.max_loads(1).load_queue(1).load_wait(Duration::from_millis(200));
    let near = builder.build().unwrap();
    until_local(&near, true).await;
    let old = async || {
        let read = near.get_or_load(item(1), &KEPT, async || Ok::<_, ()>(0_u64));
        assert_eq!(read.await, Ok(0));
    };
    let kept = async {
        loop {
            old().await;
            let pushes = proxy.hold_pushes();
            // The push of an earlier fill, which would take the copy, has come before this answer or is held.
            assert_eq!(near.peek::<u64>(&item(2)).await, Peek::Miss);
            let before = asked(proxy, 1);
            old().await;
            if asked(proxy, 1) == before {
                break pushes;
            }
        }
    };
    let pushes = soon(kept).await;
    // Its end is what this is about.
    tokio::time::sleep(Duration::from_millis(TTL_MS)).await;
    (near, pushes)
}

/// There is no turn for the leader, which may have the copy for itself; who shares its flight loads instead.
#[tokio::test]
async fn a_read_inside_a_load_is_given_no_copy_by_a_leader_without_a_turn() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, pushes) = with_old_copy(&proxy).await;
    assert_eq!(cache(&server.url()).await.invalidate(item(1)).await, Outcome::Applied);
    let page = near.get_or_load(key!("page:1"), &POLICY, async || {
        // The only turn is this load's, and a plain spawn is not known to stand inside it.
        let near = near.clone();
        let leader = tokio::spawn({
            let near = near.clone();
            async move { read(&near).await }
        });
        until("the leader waits for its turn", || near.health().loads_waiting == 1).await;
        let inside = read(&near).await;
        leader.await.unwrap();
        Ok::<_, ()>(inside)
    });
    assert_eq!(soon(page).await, Ok(1));
    drop(pushes);
}

#[tokio::test]
async fn a_copy_is_no_answer_to_a_failure_in_a_session_that_wrote_or_inside_a_load() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    let (near, pushes) = with_old_copy(&proxy).await;
    let far = cache(&server.url()).await;
    let writing = Scope::new(far.clone());
    assert_eq!(writing.run(far.invalidate(item(1))).await, Outcome::Applied);
    assert_eq!(read_in_vain(&near).await, (Ok(0), Status::Stale), "to anybody else it is");
    let secrets = SessionSecrets::new([7; 32]).unwrap();
    let token = secrets.issue(&writing, SessionBounds::of(&near)).unwrap();
    let reading = Scope::new(near.clone());
    reading.pin(secrets.read(&token).unwrap());
    assert_eq!(reading.run(read_in_vain(&near)).await.0, Err(()));
    let page = near.get_or_load(key!("page:1"), &POLICY, async || read_in_vain(&near).await.0);
    assert_eq!(page.await, Err(()));
    drop(pushes);
}
