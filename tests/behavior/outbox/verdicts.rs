//! What became of a transaction is settled by its row: exactly one of commit and verdict wins.

use std::time::{Duration, Instant};

use cachekit::sql::outbox::{RowId, Verdict};
use sqlx::Pool;

use super::databases::{NAMESPACE, Tested, count, on_each_database, row, set, write};

on_each_database! {
    a_row_that_is_there_was_committed_whatever_became_of_it,
    a_row_that_is_not_there_was_aborted_and_stays_so,
    a_poisoned_writer_cannot_commit,
    no_verdict_while_the_transaction_is_open,
    a_verdict_and_a_commit_at_once_agree,
}

async fn verdict<DB: Tested>(pool: &Pool<DB>, id: RowId) -> Verdict {
    DB::verdict(pool, id, NAMESPACE).await.unwrap()
}

async fn a_row_that_is_there_was_committed_whatever_became_of_it<DB: Tested>(pool: Pool<DB>) {
    let row = row("user:1");
    write(&pool, &row).await;
    for state in [0, 1, 2] {
        set(&pool, &format!("state = {state}"), "1 = 1").await;
        assert_eq!(verdict(&pool, row.id).await, Verdict::Committed, "state {state}");
    }
}

async fn a_row_that_is_not_there_was_aborted_and_stays_so<DB: Tested>(pool: Pool<DB>) {
    let id = RowId::new();
    assert_eq!(verdict(&pool, id).await, Verdict::Aborted);
    assert_eq!(verdict(&pool, id).await, Verdict::Aborted, "the poison is no committed row");
    assert_eq!(count(&pool, "state = 9").await, 1);
}

async fn a_poisoned_writer_cannot_commit<DB: Tested>(pool: Pool<DB>) {
    let row = row("user:1");
    let mut paused = pool.begin().await.unwrap();
    assert_eq!(verdict(&pool, row.id).await, Verdict::Aborted);
    let error = DB::insert(&mut paused, &row).await.unwrap_err();
    assert!(error.as_database_error().unwrap().is_unique_violation(), "{error}");
    drop(paused);
    assert_eq!(verdict(&pool, row.id).await, Verdict::Aborted);
}

async fn no_verdict_while_the_transaction_is_open<DB: Tested>(pool: Pool<DB>) {
    let (kept, lost) = (row("user:1"), row("user:2"));
    for (row, commits) in [(&kept, true), (&lost, false)] {
        let mut tx = pool.begin().await.unwrap();
        DB::insert(&mut tx, row).await.unwrap();
        let asked = Instant::now();
        DB::verdict(&pool, row.id, NAMESPACE).await.unwrap_err();
        let waited = asked.elapsed();
        assert!(waited >= Duration::from_millis(900), "it waits for the writer: {waited:?}");
        assert!(waited < Duration::from_secs(4), "a second, no longer: {waited:?}");
        match commits {
            true => tx.commit().await.unwrap(),
            false => tx.rollback().await.unwrap(),
        }
    }
    assert_eq!(verdict(&pool, kept.id).await, Verdict::Committed);
    assert_eq!(verdict(&pool, lost.id).await, Verdict::Aborted);
}

async fn a_verdict_and_a_commit_at_once_agree<DB: Tested>(pool: Pool<DB>) {
    for _ in 0..30 {
        let row = row("user:1");
        let write = async {
            let mut tx = pool.begin().await?;
            DB::insert(&mut tx, &row).await?;
            tx.commit().await
        };
        let (written, first) = tokio::join!(write, DB::verdict(&pool, row.id, NAMESPACE));
        let second = verdict(&pool, row.id).await;
        assert_eq!(second == Verdict::Committed, written.is_ok(), "{written:?}");
        assert_eq!(first.unwrap_or(second), second, "a verdict is never taken back");
    }
}
