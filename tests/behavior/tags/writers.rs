//! Writers that name tags, or write what is used as one.

use cachekit::{Cache, Outcome, Peek, Status, invalidates, with_receipt, writes_through};
use cachekit_test_support::RedisServer;
use cachekit_tests::{item, two_handles};

use super::{Row, org};

#[tokio::test]
async fn a_written_key_takes_what_was_loaded_under_it() {
    #[writes_through(key = org(id), ttl = "1m", cache = cache)]
    async fn write(cache: &Cache, id: u64, value: u64) -> Result<u64, ()> {
        let _ = id;
        Ok(value)
    }

    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        row.read(&other).await;
        row.set(1);
        assert_eq!(write(&one, 7, 1).await, Ok(1));
        assert_eq!(one.peek::<u64>(&org(7)).await, Peek::Hit(1));
        assert_eq!(row.read(&other).await, (1, Status::Loaded));
    }
}

#[writes_through(key = item(id), tags("org:<org>"), ttl = "1m", cache = cache)]
pub(super) async fn write(cache: &Cache, id: u64, org: u64, bump: bool) -> Result<u64, ()> {
    let _ = id;
    if bump {
        cache.invalidate_tag(self::org(org)).await;
    }
    Ok(10)
}

#[tokio::test]
async fn a_written_value_is_stamped_with_what_was_there_before_the_body() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        assert_eq!(write(&one, 1, 7, false).await, Ok(10));
        assert_eq!(row.read(&other).await, (10, Status::Hit));
        assert_eq!(write(&one, 1, 7, true).await, Ok(10));
        assert_eq!(row.read(&other).await, (0, Status::Loaded));
        assert_eq!(write(&one, 1, 7, false).await, Ok(10));
        assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
        assert_eq!(row.read(&other).await, (0, Status::Loaded));
        one.invalidate(item(1)).await;
    }
}

#[invalidates(tag = "org:<org>", tag = self::org(*ret), tags = more.iter().copied().map(self::org), cache = cache)]
async fn move_members(cache: &Cache, org: u64, more: &[u64]) -> Result<u64, ()> {
    let _ = more;
    Ok(org + 1)
}

#[tokio::test]
async fn a_writer_names_tags_and_its_receipt_does() {
    let server = RedisServer::start();
    let [_, [one, _]] = two_handles(&server).await;
    let (moved, receipt) = with_receipt(move_members(&one, 7, &[20, 21])).await;
    assert_eq!((moved, receipt.outcome()), (Ok(8), Outcome::Applied));
    let keys: Vec<_> = receipt.entries().iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["~t:org:7", "~t:org:20", "~t:org:21", "~t:org:8"]);
    assert!(receipt.entries().iter().all(|(key, _)| key.is_tag()));
    assert_eq!(receipt.entries()[0].0.template(), "~t:org:<org>");
}
