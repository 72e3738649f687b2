//! Which cache a call uses.

use cachekit::{Cache, Status, bypass, cached, inherit, isolated, refresh, with_status};

use crate::support::Runs;

#[cached(key = "scoped:<id>", ttl = "1h")]
async fn scoped(runs: &Runs, id: i64) -> u32 {
    runs.next() + u32::try_from(id).unwrap()
}

#[tokio::test]
async fn no_cache_read_runs_body() {
    let runs = Runs::default();
    scoped(&runs, 1).await;
    scoped(&runs, 1).await;
    assert_eq!(runs.so_far(), 2);
}

#[tokio::test]
async fn parallel_tests_do_not_share() {
    #[isolated]
    async fn test(runs: &Runs) {
        scoped(runs, 1).await;
        scoped(runs, 1).await;
    }
    let runs = Runs::default();
    tokio::join!(test(&runs), test(&runs));
    assert_eq!(runs.so_far(), 2);
}

#[isolated]
#[tokio::test(flavor = "multi_thread")]
async fn isolated_above_a_test_attribute() {
    let runs = Runs::default();
    scoped(&runs, 1).await;
    scoped(&runs, 1).await;
    assert_eq!(runs.so_far(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[isolated]
async fn spawn_loses_scope_inherit_keeps_it() {
    static RUNS: std::sync::LazyLock<Runs> = std::sync::LazyLock::new(Runs::default);
    scoped(&RUNS, 1).await;
    tokio::spawn(inherit(scoped(&RUNS, 1))).await.unwrap();
    assert_eq!(RUNS.so_far(), 1);
    tokio::spawn(scoped(&RUNS, 1)).await.unwrap();
    assert_eq!(RUNS.so_far(), 2);
}

#[tokio::test]
async fn a_test_may_fail_by_its_result() {
    #[isolated]
    async fn test(fail: bool) -> Result<u32, String> {
        if fail {
            return Err("failed".into());
        }
        let number = "7".parse::<u32>().map_err(|error| error.to_string())?;
        Ok(number)
    }
    assert_eq!(test(false).await, Ok(7));
    assert_eq!(test(true).await, Err("failed".into()));
}

#[tokio::test]
async fn the_inner_scope_wins() {
    let runs = Runs::default();
    let (outer, inner) = (Cache::builder().build().unwrap(), Cache::builder().build().unwrap());
    let read_both = async || {
        scoped(&runs, 1).await;
        inner.scope(scoped(&runs, 1)).await;
    };
    outer.scope(read_both()).await;
    outer.scope(read_both()).await;
    assert_eq!(runs.so_far(), 2);
}

#[cached(key = "outer:<id>", ttl = "1h")]
async fn outer(runs: &Runs, inner: &Runs, id: i64) -> u32 {
    runs.next() + scoped(inner, id).await
}

#[tokio::test]
#[isolated]
async fn bypass_is_outermost_only() {
    let (runs, inner) = (Runs::default(), Runs::default());
    let so_far = || (runs.so_far(), inner.so_far());
    let first = outer(&runs, &inner, 1).await;
    assert_eq!(so_far(), (1, 1));
    // Both of the calls, and neither of the reads inside them.
    let both = async { (outer(&runs, &inner, 1).await, outer(&runs, &inner, 1).await) };
    assert_eq!(bypass(both).await, (first + 1, first + 2));
    assert_eq!(so_far(), (3, 1));
    assert_eq!(outer(&runs, &inner, 1).await, first, "the entry is as it was");
    assert_eq!(with_status(bypass(outer(&runs, &inner, 1))).await.1, Status::Bypassed);
    // The same holds for the others: what the inner read does is not told, nor is it loaded anew.
    let refreshed = with_status(refresh(outer(&runs, &inner, 1))).await;
    assert_eq!(refreshed, (first + 4, Status::Loaded));
    assert_eq!(so_far(), (5, 1));
}
