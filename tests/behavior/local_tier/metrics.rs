//! What a local tier tells of itself.

use std::time::Duration;

use cachekit::{LocalState, LocalTier, observe::names};
use cachekit_test_support::{Proxy, RedisServer};
use cachekit_tests::{Values, until, with_local};

use super::{local, read, until_kept};

#[test]
fn the_horizon_s_age_and_hits_of_copies_are_told() {
    let values = Values::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let age = || values.get(names::L1_HORIZON_SECONDS, "namespace = t");
    let hits = || values.get(names::READS, "tier = local").unwrap_or_default();
    metrics::with_local_recorder(&values, || {
        runtime.block_on(async {
            let server = RedisServer::start();
            let proxy = Proxy::start(server.port());
            let near = with_local(&proxy.url(), local()).await;
            until_kept(&proxy, &near, 1, 1).await;
            until("its age is told", || age().is_some_and(|age| age < 0.4)).await;
            let before = hits();
            for _ in 0..100 {
                assert_eq!(read(&near, 1, 0).await, 1);
            }
            until("hits are told by a process that has nothing else", || hits() >= before + 100.0)
                .await;
            let silence = proxy.hold_pushes();
            until("it grows while nothing comes", || age().is_some_and(|age| age > 0.5)).await;
            assert_eq!(near.local_state(), LocalState::Suspect);
            drop(silence);
            until("it is small again", || age().is_some_and(|age| age < 0.4)).await;
            let LocalState::Live { behind } = near.local_state() else { panic!("it is served") };
            assert!(behind < Duration::from_millis(400));
            drop(LocalTier::default());
        });
    });
}
