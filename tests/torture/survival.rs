//! Everything fails at once, and no read is older than it may be; the textbook's ways fail without any of that.

use std::thread;

use cachekit_torture::ordeal::{self, Setup, Subject};
use sqlx::{MySql, Postgres, Sqlite};
use tokio::{
    runtime::Runtime,
    task::{JoinSet, LocalSet},
};

use crate::{
    fleet::machine,
    settings::{number, seed, tell},
};

#[test]
fn no_read_is_older_whatever_fails() {
    survive(Subject::Lease);
}

#[test]
fn no_read_of_the_local_tier_is_further_behind_whatever_fails() {
    survive(Subject::Local);
}

/// The same harness is not blind: none of them survives, although nothing fails.
#[tokio::test(flavor = "multi_thread")]
async fn the_textbook_s_ways_serve_stale_reads() {
    let _machine = machine().await;
    let (local, mut runs) = (LocalSet::new(), JoinSet::new());
    for subject in Subject::NAIVE {
        let setup = Setup::of(subject, seconds(20), seed());
        runs.spawn_local_on(async move { ordeal::run::<Sqlite>(&setup).await }, &local);
    }
    for outcome in local.run_until(runs.join_all()).await {
        tell(outcome.brief());
        assert!(!outcome.summary.violations.is_empty(), "{}", outcome.brief());
    }
}

/// Without relays, what another program has committed does not reach the caches, and the end shows it.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_the_end_is_not_right() {
    let _machine = machine().await;
    let setup = Setup { relay: false, ..Setup::of(Subject::Lease, seconds(10), seed()) };
    let outcome = ordeal::run::<Sqlite>(&setup).await;
    tell(outcome.brief());
    assert!(outcome.wrong.unsettled > 0, "{}", outcome.brief());
}

/// On all databases at once, since each run waits most of the time; in threads of their own, since servers are waited for
/// there.
fn survive(subject: Subject) {
    let alone = Runtime::new().expect("a runtime");
    let _machine = alone.block_on(machine());
    let setup = Setup::of(subject, seconds(60), seed());
    tell(format_args!("seed {}", setup.seed));
    let outcomes = thread::scope(|scope| {
        let runs = [
            scope.spawn(|| on_its_own(ordeal::run::<Postgres>(&setup))),
            scope.spawn(|| on_its_own(ordeal::run::<MySql>(&setup))),
            scope.spawn(|| on_its_own(ordeal::run::<Sqlite>(&setup))),
        ];
        runs.map(|run| run.join().expect("no process dies by itself"))
    });
    outcomes.iter().for_each(|outcome| tell(outcome.brief()));
    for outcome in outcomes {
        outcome.assert_right();
        assert!(outcome.faults.kinds() > 5, "{}", outcome.brief());
    }
}

fn on_its_own<T>(run: impl Future<Output = T>) -> T {
    Runtime::new().expect("a runtime").block_on(run)
}

fn seconds(usual: u64) -> u64 {
    number("CACHEKIT_TORTURE_SECONDS").unwrap_or(usual)
}
