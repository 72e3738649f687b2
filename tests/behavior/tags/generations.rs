//! The generation of a tag: how long it is there, and what comes of its loss.

use std::time::Duration;

use cachekit::{Cache, Outcome, Status, refresh, with_status};
use cachekit_test_support::{RedisServer, Reply};
use cachekit_tests::{Entries, POLICY, cache, item, soon, until, until_async};

use super::{Row, STALE, org, writers::write};

#[tokio::test]
async fn a_lost_generation_is_a_miss_and_the_next_one_holds() {
    let server = RedisServer::start();
    let (one, other) = (cache(&server.url()).await, cache(&server.url()).await);
    let (row, mut entries) = (Row::default(), Entries::of(&server));
    row.read(&one).await;
    let before = entries.get("~t:org:7").unwrap();
    assert_eq!(before.len(), 8);
    assert_eq!(entries.call("DEL", "~t:org:7", &[]), Reply::Int(1));
    row.set(1);
    assert_eq!(row.read(&other).await, (1, Status::Loaded));
    assert_ne!(entries.get("~t:org:7").unwrap(), before);
    assert_eq!(row.read(&one).await, (1, Status::Hit));
    for odd in [&b"odd"[..], b"and longer than a number is"] {
        entries.call("SET", "~t:org:7", &[odd]);
        assert_eq!(row.read(&one).await, (1, Status::Loaded));
        assert_eq!(row.read(&other).await, (1, Status::Hit));
    }
    assert_eq!(one.invalidate_tag(org(7)).await, Outcome::Applied);
    assert_eq!(row.read(&other).await, (1, Status::Loaded));
}

#[tokio::test]
async fn something_else_in_a_generation_s_place_is_read_past_until_it_is_invalidated() {
    let server = RedisServer::start();
    let (one, row) = (cache(&server.url()).await, Row::default());
    row.read(&one).await;
    let mut entries = Entries::of(&server);
    entries.call("DEL", "~t:org:7", &[]);
    entries.call("LPUSH", "~t:org:7", &[b"odd"]);
    assert_eq!(row.read(&one).await, (0, Status::Bypassed));
    assert_eq!(one.invalidate_tag(org(7)).await, Outcome::Applied);
    assert_eq!(row.read(&one).await, (0, Status::Loaded));
    assert_eq!(row.read(&one).await, (0, Status::Hit));
}

#[tokio::test]
async fn a_generation_outlasts_what_is_stamped_with_it() {
    let server = RedisServer::start();
    let (one, row) = (cache(&server.url()).await, Row::default());
    let mut entries = Entries::of(&server);
    row.read(&one).await;
    assert!(entries.pttl("~t:org:7") > 110_000, "twice the TTL");
    entries.call("PEXPIRE", "~t:org:7", &[b"70000"]);
    row.read_item(&one, 2).await;
    assert!(entries.pttl("~t:org:7") <= 70_000, "it lasts longer than the entry");
    entries.call("PEXPIRE", "~t:org:7", &[b"50000"]);
    assert_eq!(row.read_item(&one, 2).await.1, Status::Hit);
    assert!(entries.pttl("~t:org:7") <= 50_000, "a hit stamps nothing");
    row.read_item(&one, 3).await;
    assert!(entries.pttl("~t:org:7") > 110_000, "a fill does");
    assert_eq!(row.read_item(&one, 1).await.1, Status::Hit, "it is the same generation");
}

/// Whoever puts an entry there: a load on request, one in the background, a writer.
#[tokio::test]
async fn a_generation_outlasts_whatever_takes_the_place_of_an_entry() {
    let server = RedisServer::start();
    let (one, row) = (cache(&server.url()).await, Row::default());
    for way in [Way::Refreshed, Way::Renewed, Way::Written] {
        way.prepare(&one).await;
        let mut entries = Entries::of(&server);
        entries.call("PEXPIRE", "~t:org:7", &[b"30000"]);
        way.fill(&one, &mut entries).await;
        assert_eq!(row.read(&one).await.1, Status::Hit, "{way:?}");
        let (entry, generation) = (entries.pttl("item:1"), entries.pttl("~t:org:7"));
        assert!(generation >= entry && entry > 30_000, "{way:?}: {generation} ms, {entry} ms");
        assert_eq!(one.invalidate_tag(org(7)).await, Outcome::Applied);
        assert_eq!(row.read(&one).await, (0, Status::Loaded), "{way:?}");
    }
}

/// How an entry comes to be where one is already.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Refreshed,
    Renewed,
    Written,
}

impl Way {
    /// Puts an entry there, and the generation of `org:7`.
    async fn prepare(self, cache: &Cache) {
        let policy = if self == Way::Renewed { STALE } else { POLICY };
        let load = async || Ok::<_, ()>(0_u64);
        cache.invalidate(item(1)).await;
        cache.tagged([org(7)]).get_or_load(item(1), &policy, load).await.unwrap();
    }

    async fn fill(self, cache: &Cache, entries: &mut Entries) {
        let tagged = cache.tagged([org(7)]);
        let load = async || Ok::<_, ()>(0_u64);
        match self {
            Way::Refreshed => {
                refresh(tagged.get_or_load(item(1), &POLICY, load)).await.unwrap();
            }
            Way::Renewed => {
                let policy = POLICY.stale_while_revalidate(Duration::from_secs(60));
                let load = || async { Ok::<_, ()>(0_u64) };
                // Before that a read may have it loaded anew as well, and answers with it as fresh.
                until("it is out of date", || entries.pttl("item:1") < 60_000).await;
                let read =
                    async || with_status(tagged.get_or_refresh(item(1), &policy, load)).await.1;
                assert_eq!(soon(read()).await, Status::Stale);
                soon(until_async("it is loaded anew", async || read().await == Status::Hit)).await;
            }
            Way::Written => assert_eq!(write(cache, 1, 7, false).await, Ok(10)),
        }
    }
}
