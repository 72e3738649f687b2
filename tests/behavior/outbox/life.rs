//! From pending to done or dead, and out of the table.

use std::time::Duration;

use cachekit::sql::outbox::RowId;
use sqlx::Pool;

use super::databases::{
    NAMESPACE, Tested, claim, count, event_row, make_due, on_each_database, row, set, write,
};

on_each_database! {
    a_row_that_is_done_is_not_claimed_and_a_poison_never_is,
    a_row_that_cannot_be_read_is_told_alone,
    dead_rows_wait_until_they_are_sent_again,
    the_backlog_counts_what_waits,
    done_rows_go_after_their_time_and_poison_after_a_day,
}

async fn a_row_that_is_done_is_not_claimed_and_a_poison_never_is<DB: Tested>(pool: Pool<DB>) {
    let rows = [row("user:1"), row("user:2"), row("user:3")];
    for row in &rows {
        write(&pool, row).await;
    }
    DB::verdict(&pool, RowId::new(), NAMESPACE).await.unwrap();
    make_due(&pool).await;
    let ids: Vec<_> = rows[..2].iter().map(|row| row.id).collect();
    DB::done(&pool, &ids).await.unwrap();
    DB::done(&pool, &[]).await.unwrap();
    assert_eq!(count(&pool, "state = 1 AND done_at IS NOT NULL").await, 2);
    let claimed = claim(&pool, "a").await;
    assert_eq!(claimed.iter().map(|row| row.id).collect::<Vec<_>>(), [rows[2].id]);
    // The writer's own invalidation may be through while a relay has the row.
    DB::done(&pool, &[rows[2].id]).await.unwrap();
    DB::retry(&pool, "a", rows[2].id, Duration::ZERO, "refused").await.unwrap();
    assert_eq!(count(&pool, "state = 1").await, 3);
    assert_eq!(count(&pool, "state = 9").await, 1);
}

async fn a_row_that_cannot_be_read_is_told_alone<DB: Tested>(pool: Pool<DB>) {
    let (sound, broken) = (event_row("user:1"), event_row("user:2"));
    write(&pool, &broken).await;
    write(&pool, &sound).await;
    let id = format!("id = {}", DB::literal(broken.id));
    assert_eq!(set(&pool, DB::broken_keys(), &id).await, 1);
    let mut claimed = claim(&pool, "a").await;
    claimed.sort_by_key(|row| row.row.is_err());
    assert_eq!(claimed[0].row.as_ref().unwrap().keys, sound.keys);
    assert_eq!(claimed[1].id, broken.id);
    let error = claimed[1].row.as_ref().unwrap_err();
    assert!(error.starts_with("keys: ") && !error.contains("user"), "{error}");

    set(&pool, "events = '{\"id\":1}', claimed_by = NULL, claimed_until = NULL", "1 = 1").await;
    for row in claim(&pool, "a").await {
        row.row.unwrap_err();
    }
}

async fn dead_rows_wait_until_they_are_sent_again<DB: Tested>(pool: Pool<DB>) {
    let written = event_row("user:1");
    write(&pool, &written).await;
    claim(&pool, "a").await;
    DB::bury(&pool, "a", written.id, "refused").await.unwrap();
    assert_eq!(count(&pool, "state = 2 AND last_error = 'refused'").await, 1);
    assert_eq!(claim(&pool, "a").await.len(), 0);
    assert_eq!(DB::redrive(&pool, "other").await.unwrap(), 0);
    assert_eq!(DB::redrive(&pool, NAMESPACE).await.unwrap(), 1);
    assert_eq!(claim(&pool, "a").await[0].attempts, 1, "its tries are counted anew");
}

async fn the_backlog_counts_what_waits<DB: Tested>(pool: Pool<DB>) {
    let none = DB::backlog(&pool, NAMESPACE).await.unwrap();
    assert_eq!((none.pending, none.dead, none.oldest), (0, 0, None));
    let (first, second) = (row("user:1"), row("user:2"));
    for row in [&first, &second, &event_row("user:3")] {
        write(&pool, row).await;
    }
    set(
        &pool,
        &format!("created_at = {}", DB::earlier("created_at", 40)),
        &format!("id = {}", DB::literal(first.id)),
    )
    .await;
    claim(&pool, "a").await;
    let backlog = DB::backlog(&pool, NAMESPACE).await.unwrap();
    assert_eq!((backlog.pending, backlog.dead), (3, 0), "a claimed row waits as well");
    assert!((39..50).contains(&backlog.oldest.unwrap().as_secs()), "{backlog:?}");
    set(&pool, "state = 2", &format!("id = {}", DB::literal(first.id))).await;
    let backlog = DB::backlog(&pool, NAMESPACE).await.unwrap();
    assert_eq!((backlog.pending, backlog.dead), (2, 1));
    assert!(backlog.oldest.unwrap() < Duration::from_secs(10), "{backlog:?}");
}

async fn done_rows_go_after_their_time_and_poison_after_a_day<DB: Tested>(pool: Pool<DB>) {
    for state in [0, 1, 1, 1, 2, 9] {
        let row = row("user:1");
        write(&pool, &row).await;
        set(
            &pool,
            &format!("state = {state}, done_at = created_at"),
            &format!("id = {}", DB::literal(row.id)),
        )
        .await;
    }
    let quarter = Duration::from_secs(900);
    assert_eq!(DB::prune(&pool, NAMESPACE, quarter, 100).await.unwrap(), 0);
    let hours_ago = |hours: u32| {
        let (created, done) =
            (DB::earlier("created_at", hours * 3600), DB::earlier("done_at", hours * 3600));
        format!("created_at = {created}, done_at = {done}")
    };
    set(&pool, &hours_ago(23), "1 = 1").await;
    assert_eq!(DB::prune(&pool, "other", quarter, 100).await.unwrap(), 0);
    assert_eq!(DB::prune(&pool, NAMESPACE, quarter, 2).await.unwrap(), 2, "in chunks");
    assert_eq!(DB::prune(&pool, NAMESPACE, quarter, 2).await.unwrap(), 1);
    assert_eq!(DB::prune(&pool, NAMESPACE, quarter, 2).await.unwrap(), 0, "poison stays");
    set(&pool, &hours_ago(2), "1 = 1").await;
    assert_eq!(DB::prune(&pool, NAMESPACE, quarter, 2).await.unwrap(), 1);
    assert_eq!(count(&pool, "state IN (0, 2)").await, 2, "what is not done stays for ever");
}
