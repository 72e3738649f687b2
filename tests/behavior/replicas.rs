//! From where the work in a scope reads the database when others are given what it finds.

use std::time::Duration;

use cachekit::{Cache, Policy, ReadPreference, Scope, Status, Ttl, bypass, with_status};
use cachekit_tests::{POLICY, item, soon};
use tokio::sync::mpsc;

const REPLICA: ReadPreference = ReadPreference::Replica { at_least: None };

fn scope() -> Scope {
    let scope = Scope::new(Cache::builder().build().unwrap());
    scope.prefer_replicas(true);
    scope
}

/// A write has returned and the replica lags: the next read is a miss, and what it stores is everybody's.
#[tokio::test]
async fn a_load_that_is_stored_reads_the_primary_though_its_request_may_read_replicas() {
    let scope = scope();
    let read = || {
        scope.cache().get_or_load(item(1), &POLICY, async || {
            Ok::<_, ()>(scope.read_preference() == ReadPreference::Primary)
        })
    };
    let reads = async {
        assert_eq!(scope.read_preference(), REPLICA);
        assert_eq!(bypass(read()).await, Ok(false), "nothing is stored");
        assert_eq!(with_status(read()).await, (Ok(true), Status::Loaded));
        assert_eq!(scope.read_preference(), REPLICA, "the load is over");
    };
    scope.run(reads).await;
}

#[tokio::test]
async fn a_load_in_the_background_reads_the_primary_though_it_was_given_the_scope_of_its_request() {
    const STALE: Policy = Policy::from_parts(Ttl::from_millis(20, 0), None)
        .stale_while_revalidate(Duration::from_secs(60));
    let (scope, (told, mut heard)) = (scope(), mpsc::unbounded_channel());
    let reads = async {
        loop {
            let load = || {
                let (scope, told) = (scope.clone(), told.clone());
                async move {
                    let in_background = Scope::current().is_none();
                    let _ = told.send((in_background, scope.read_preference()));
                    Ok::<_, ()>(1_u64)
                }
            };
            scope.cache().get_or_refresh(item(1), &STALE, load).await.unwrap();
            tokio::task::yield_now().await;
            if let Ok((true, preference)) = heard.try_recv() {
                return preference;
            }
        }
    };
    assert_eq!(soon(scope.run(reads)).await, ReadPreference::Primary);
}
