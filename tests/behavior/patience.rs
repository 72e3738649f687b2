//! A leader that nobody polls holds nobody up for ever.

use std::pin::pin;
use std::time::Duration;

use cachekit::{Status, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{POLICY, builder, first_poll, item, soon};

#[tokio::test]
async fn next_flight_survives_unpolled_leader() {
    let server = RedisServer::start();
    let builder = builder(&server.url()).await;
    let cache = builder.leader_wait(Duration::from_millis(50)).build().unwrap();
    let mut leader = pin!(cache.get_or_load(item(1), &POLICY, async || Ok::<_, ()>(1_u64)));
    assert!(first_poll(leader.as_mut()).is_pending(), "its probe is under way");
    // Longer than `soon` would be to wait for the lease that the unpolled probe has taken.
    let next = cache.get_or_load(item(1), &POLICY, async || Ok::<_, ()>(2_u64));
    assert_eq!(soon(with_status(next)).await, (Ok(2), Status::Loaded));
    assert_eq!(soon(leader).await, Ok(2), "its own fill was refused, so it has the newer value");
}
