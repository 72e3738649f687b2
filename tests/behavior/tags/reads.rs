//! What an invalidated tag takes, and to whom an entry with tags is there.

use cachekit::{Cache, ErrorKind, Outcome, Peek, Status, with_status};
use cachekit_test_support::RedisServer;
use cachekit_tests::{POLICY, item, soon, two_handles};

use super::{Row, org};

#[tokio::test]
async fn a_tag_takes_what_was_loaded_under_it_and_nothing_else() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        for id in 1..4 {
            assert_eq!(row.read_item(&one, id).await, (0, Status::Loaded));
        }
        let bystander = other.tagged([org(8)]);
        let load = async || Ok::<_, ()>(8_u64);
        bystander.get_or_load(item(8), &POLICY, load).await.unwrap();
        assert_eq!(row.read(&other).await, (0, Status::Hit));
        row.set(1);
        assert_eq!(one.invalidate_tag(org(7)).await, Outcome::Applied);
        for id in 1..4 {
            assert_eq!(row.read_item(&other, id).await, (1, Status::Loaded));
            assert_eq!(row.read_item(&one, id).await, (1, Status::Hit));
        }
        let (_, status) = with_status(bystander.get_or_load(item(8), &POLICY, load)).await;
        assert_eq!(status, Status::Hit);
    }
}

#[tokio::test]
async fn every_tag_of_an_entry_takes_it() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let tags = || (1..9).map(org);
        let tagged = one.try_tagged(tags()).unwrap();
        let read = async || {
            let load = async || Ok::<_, ()>(1_u64);
            with_status(tagged.get_or_load(item(1), &POLICY, load)).await.1
        };
        assert_eq!(read().await, Status::Loaded);
        for tag in tags() {
            assert_eq!(read().await, Status::Hit);
            assert_eq!(other.invalidate_tag(tag).await, Outcome::Applied);
            assert_eq!(read().await, Status::Loaded);
        }
        assert_eq!(
            other.invalidate_tags(tags()).await,
            tags().map(|tag| (tag, Outcome::Applied)).collect::<Vec<_>>()
        );
        assert_eq!(read().await, Status::Loaded);
    }
}

#[tokio::test]
async fn none_or_more_than_eight_tags_are_refused() {
    let cache = Cache::builder().build().unwrap();
    for count in [0, 9, 100] {
        let error = cache.try_tagged((0..count).map(org)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey);
        assert!(error.to_string().contains("one to 8 tags"), "{error}");
    }
}

#[tokio::test]
async fn a_key_is_a_tag_that_goes_with_its_entry() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        let untagged = async || {
            let load = async || Ok::<_, ()>(row.get());
            with_status(one.get_or_load(org(7), &POLICY, load)).await
        };
        assert_eq!(untagged().await, (Ok(0), Status::Loaded));
        row.read(&one).await;
        row.set(1);
        assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
        assert_eq!(row.read(&one).await, (1, Status::Loaded));
        assert_eq!(untagged().await, (Ok(0), Status::Hit), "the entry of the key stays");
        row.set(2);
        assert_eq!(other.invalidate(org(7)).await, Outcome::Applied);
        assert_eq!(row.read(&one).await, (2, Status::Loaded));
        assert_eq!(untagged().await, (Ok(2), Status::Loaded));
    }
}

#[tokio::test]
async fn an_entry_is_found_only_where_its_tags_are_named() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        row.read(&one).await;
        assert_eq!(other.peek::<u64>(&item(1)).await, Peek::Miss);
        assert_eq!(other.tagged([org(8)]).peek::<u64>(&item(1)).await, Peek::Miss);
        assert_eq!(other.tagged([org(7), org(8)]).peek::<u64>(&item(1)).await, Peek::Miss);
        assert_eq!(other.tagged([org(7)]).peek::<u64>(&item(1)).await, Peek::Hit(0));
        let load = async || Ok::<_, ()>(1_u64);
        let read = soon(with_status(other.get_or_load(item(1), &POLICY, load))).await;
        assert_eq!(read, (Ok(1), Status::Loaded), "without tags it is not to be had");
        let outdated = one.tagged([org(7)]).peek::<u64>(&item(1)).await;
        assert_eq!(outdated, Peek::Miss, "nor with tags what has none");
        other.invalidate(item(1)).await;
    }
}

/// However often a tag is invalidated, what is outdated is replaced at once: no other program is at work.
#[tokio::test]
async fn outdated_entries_are_replaced_without_a_pause() {
    let server = RedisServer::start();
    for [one, other] in two_handles(&server).await {
        let row = Row::default();
        for round in 0..20 {
            row.set(round);
            assert_eq!(row.read(&one).await, (round, Status::Loaded));
            assert_eq!(row.read(&other).await, (round, Status::Hit));
            assert_eq!(other.invalidate_tag(org(7)).await, Outcome::Applied);
        }
    }
}
