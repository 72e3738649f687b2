//! A claimed row is one relay's until its lease ends, and no longer.

use std::collections::HashSet;
use std::time::Duration;

use cachekit::sql::outbox::{Claim, Claimed, RowId};
use sqlx::Pool;

use super::databases::{
    Tested, claim, claim_as, claim_of, count, event_row, make_due, on_each_database, row, set,
    write,
};

on_each_database! {
    a_row_comes_back_as_it_was_written,
    rows_without_events_are_left_to_their_writer_for_a_second,
    a_relay_takes_the_rows_of_its_namespace_only,
    relays_at_once_share_no_row,
    an_expired_claim_is_taken_over_and_the_first_relay_has_no_say_any_more,
    a_retry_waits_for_its_time,
    after_an_outage_rows_come_before_their_time_but_none_that_was_tried_since,
    a_row_given_back_was_not_tried,
}

fn ids(claimed: &[Claimed]) -> Vec<RowId> {
    claimed.iter().map(|row| row.id).collect()
}

async fn a_row_comes_back_as_it_was_written<DB: Tested>(pool: Pool<DB>) {
    let mut written = event_row("user:Zoë");
    written.keys.extend((0..1000).map(|id| format!("user:{id}")));
    write(&pool, &written).await;
    set(&pool, &format!("created_at = {}", DB::earlier("created_at", 60)), "1 = 1").await;
    let [claimed] = &claim(&pool, "a").await[..] else { panic!("one row is due") };
    assert_eq!((claimed.id, claimed.attempts), (written.id, 1));
    assert!((59..70).contains(&claimed.age.as_secs()), "{:?}", claimed.age);
    let row = claimed.row.as_ref().unwrap();
    assert_eq!(
        (row.id, &row.namespace, &row.keys),
        (written.id, &written.namespace, &written.keys)
    );
    let (event, sent) = (&row.events[0], &written.events[0]);
    assert_eq!((&event.id, &event.topic, &event.key), (&sent.id, &sent.topic, &sent.key));
    assert_eq!((&event.payload, &event.trace), (&sent.payload, &sent.trace));
}

async fn rows_without_events_are_left_to_their_writer_for_a_second<DB: Tested>(pool: Pool<DB>) {
    let with = event_row("user:2");
    write(&pool, &row("user:1")).await;
    write(&pool, &with).await;
    assert_eq!(ids(&claim(&pool, "a").await), [with.id]);
    let earlier = DB::earlier("available_at", 1);
    set(&pool, &format!("available_at = {earlier}"), "1 = 1").await;
    assert_eq!(claim(&pool, "a").await.len(), 1);
}

async fn a_relay_takes_the_rows_of_its_namespace_only<DB: Tested>(pool: Pool<DB>) {
    for namespace in ["T", "t2", ""] {
        let mut row = row("user:1");
        namespace.clone_into(&mut row.namespace);
        write(&pool, &row).await;
    }
    make_due(&pool).await;
    assert_eq!(claim(&pool, "a").await.len(), 0);
    let other = Claim { namespace: "T", ..claim_of("a") };
    assert_eq!(claim_as(&pool, &other).await.len(), 1);
}

async fn relays_at_once_share_no_row<DB: Tested>(pool: Pool<DB>) {
    let mut tx = pool.begin().await.unwrap();
    for _ in 0..1000 {
        DB::insert(&mut tx, &row("user:1")).await.unwrap();
    }
    tx.commit().await.unwrap();
    make_due(&pool).await;
    let relay = |name: &'static str| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                // Another one may hold what is left for the moment.
                let rows = claim(&pool, name).await;
                if rows.is_empty() && count(&pool, "claimed_by IS NULL").await == 0 {
                    return taken;
                }
                taken.extend(ids(&rows));
            }
        })
    };
    let relays = [relay("a"), relay("b"), relay("c")];
    let mut seen = HashSet::new();
    for relay in relays {
        for id in relay.await.unwrap() {
            assert!(seen.insert(id), "two relays hold {id}");
        }
    }
    assert_eq!(seen.len(), 1000);
}

async fn an_expired_claim_is_taken_over_and_the_first_relay_has_no_say_any_more<DB: Tested>(
    pool: Pool<DB>,
) {
    let written = event_row("user:1");
    write(&pool, &written).await;
    assert_eq!(claim(&pool, "a").await.len(), 1);
    assert_eq!(claim(&pool, "b").await.len(), 0, "it is the other's");
    set(&pool, &format!("claimed_until = {}", DB::earlier("claimed_until", 31)), "1 = 1").await;
    let [taken] = &claim(&pool, "b").await[..] else { panic!("the lease has ended") };
    assert_eq!(taken.attempts, 2);

    DB::retry(&pool, "a", written.id, Duration::ZERO, "late").await.unwrap();
    DB::bury(&pool, "a", written.id, "late").await.unwrap();
    DB::release(&pool, "a", &[written.id]).await.unwrap();
    let held = "state = 0 AND claimed_by = 'b' AND attempts = 2 AND last_error IS NULL";
    assert_eq!(count(&pool, held).await, 1);
}

async fn a_retry_waits_for_its_time<DB: Tested>(pool: Pool<DB>) {
    let written = event_row("user:1");
    write(&pool, &written).await;
    claim(&pool, "a").await;
    DB::retry(&pool, "a", written.id, Duration::from_secs(50), "refused").await.unwrap();
    assert_eq!(claim(&pool, "a").await.len(), 0);
    assert_eq!(count(&pool, "last_error = 'refused' AND claimed_by IS NULL").await, 1);
    set(&pool, &format!("available_at = {}", DB::earlier("available_at", 51)), "1 = 1").await;
    assert_eq!(claim(&pool, "a").await[0].attempts, 2);
}

async fn hurried<DB: Tested>(pool: &Pool<DB>, since: u64) -> usize {
    let claim = Claim { hurry: Some(Duration::from_secs(since)), ..claim_of("a") };
    claim_as(pool, &claim).await.len()
}

async fn after_an_outage_rows_come_before_their_time_but_none_that_was_tried_since<DB: Tested>(
    pool: Pool<DB>,
) {
    let (tried, fresh, held) = (event_row("user:1"), row("user:2"), event_row("user:3"));
    write(&pool, &tried).await;
    claim(&pool, "a").await;
    DB::retry(&pool, "a", tried.id, Duration::from_secs(50), "refused").await.unwrap();
    write(&pool, &held).await;
    assert_eq!(claim(&pool, "b").await.len(), 1);
    assert_eq!(hurried(&pool, 10).await, 0, "one was tried since, the other is held");
    write(&pool, &fresh).await;
    assert_eq!(hurried(&pool, 10).await, 1, "no relay has tried it");
    set(
        &pool,
        &format!("claimed_until = {}", DB::earlier("claimed_until", 11)),
        "claimed_by IS NULL",
    )
    .await;
    assert_eq!(hurried(&pool, 10).await, 1);
}

async fn a_row_given_back_was_not_tried<DB: Tested>(pool: Pool<DB>) {
    let written = event_row("user:1");
    write(&pool, &written).await;
    for relay in ["a", "b"] {
        assert_eq!(claim(&pool, relay).await[0].attempts, 1);
        DB::release(&pool, relay, &[written.id]).await.unwrap();
    }
}
