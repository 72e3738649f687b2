//! A number that was shown to a database keeps former holders from writing.

use std::{sync::Arc, time::Duration};

use cachekit::{
    Cache, ErrorKind, IsConflict as _, SqlLock,
    fencing::{self, Fence},
};
use cachekit_tests::{Polls, item};
use sqlx::{Connection as _, Pool, pool::PoolOptions};
use tokio::sync::Barrier;

use super::bank::{Bank, cents, on_all, open, run, until_blocked};

const SECOND: Duration = Duration::from_secs(1);

fn fence(number: u64) -> Fence {
    Fence::new(item(1), number).namespace("t").holder(number.to_be_bytes())
}

/// What became of showing it in a transaction of its own, which is committed.
async fn shown<DB: Bank>(pool: &Pool<DB>, fence: &Fence) -> Option<ErrorKind> {
    let mut tx = pool.begin().await.unwrap();
    let shown = fence.show(&mut *tx).await;
    tx.commit().await.unwrap();
    shown.err().map(|error| error.kind())
}

on_all!(former_holder_is_refused);

async fn former_holder_is_refused<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    assert_eq!(shown(pool, &fence(5)).await, None);
    assert_eq!(shown(pool, &fence(5)).await, None, "a holder writes as often as it likes");
    assert_eq!(shown(pool, &fence(4)).await, Some(ErrorKind::Fenced));
    let twin = fence(5).holder("somebody else");
    assert_eq!(shown(pool, &twin).await, Some(ErrorKind::Fenced), "the number was given twice");
    assert_eq!(shown(pool, &fence(5)).await, None, "what was refused has changed nothing");
    assert_eq!(shown(pool, &fence(9)).await, None);
    assert_eq!(shown(pool, &fence(5)).await, Some(ErrorKind::Fenced));
    let other = Fence::new(item(2), 1).namespace("t");
    assert_eq!(shown(pool, &other).await, None, "another resource");
    assert_eq!(shown(pool, &fence(1).namespace("other")).await, None, "another namespace");
}

on_all!(job_that_was_told_all_of_it_writes_for_the_holder);

async fn job_that_was_told_all_of_it_writes_for_the_holder<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let guard = SqlLock::new(pool).namespace("t").lock(item(1)).acquire().await.unwrap();
    let told = guard.handle().fences().remove(0);
    let (key, number) = (told.key().clone(), told.number());
    assert_eq!(number, guard.fencing_token());
    let of_job = Fence::new(key.clone(), number).namespace("t").holder(told.holder_name());
    let unnamed = Fence::new(key, number).namespace("t");
    let mut conn = pool.acquire().await.unwrap();
    guard.fence(&mut *conn).await.unwrap();
    drop(conn);
    assert_eq!(shown(pool, &of_job).await, None);
    assert_eq!(shown(pool, &unnamed).await, Some(ErrorKind::Fenced), "it may be anybody's");
    guard.fence(&mut *pool.acquire().await.unwrap()).await.unwrap();
    guard.release().await.unwrap();
}

on_all!(number_of_a_transaction_that_was_rolled_back_is_forgotten);

async fn number_of_a_transaction_that_was_rolled_back_is_forgotten<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let mut tx = pool.begin().await.unwrap();
    fence(9).show(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(shown(pool, &fence(8)).await, None);
}

on_all!(holders_in_mid_transaction_wait_for_one_another);

async fn holders_in_mid_transaction_wait_for_one_another<DB: Bank>(pool: &Pool<DB>) {
    for (first, second, refused) in [(5, 6, false), (6, 5, true)] {
        open(pool).await;
        let mut tx = pool.begin().await.unwrap();
        fence(first).show(&mut *tx).await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { shown(&pool, &fence(second)).await }
        });
        // It never gets through, however long the first one takes.
        until_blocked(pool).await;
        assert!(!waiting.is_finished());
        tx.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap(), refused.then_some(ErrorKind::Fenced));
    }
}

on_all!(read_of_a_holder_is_not_overtaken);

/// 24 holders with numbers of their own, in any order: each of those that are let through adds what it read.
async fn read_of_a_holder_is_not_overtaken<DB: Bank>(pool: &Pool<DB>) {
    for repeatable in [false, true] {
        open(pool).await;
        let start = Arc::new(Barrier::new(24));
        let holders = (1..=24).map(|number| {
            let (pool, start) = (pool.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                let mut added = 0;
                for _ in 0..5 {
                    added += add_one(&pool, number, repeatable).await;
                }
                added
            })
        });
        let mut added = 0;
        for holder in holders.collect::<Vec<_>>() {
            added += holder.await.unwrap();
        }
        let mut conn = pool.acquire().await.unwrap();
        assert_eq!(cents::<DB>(&mut conn).await, added, "repeatable: {repeatable}");
        assert!(added >= 5, "the last holder is never refused");
        let floor = DB::numbers(&mut conn, "SELECT fence FROM cachekit_fences").await.unwrap();
        assert_eq!(floor, [24]);
    }
}

/// 1 if it was let through. A database that gives way is asked again.
async fn add_one<DB: Bank>(pool: &Pool<DB>, number: u64, repeatable: bool) -> i64 {
    loop {
        let mut conn = pool.acquire().await.unwrap();
        let begin = if repeatable { DB::BEGIN_REPEATABLE } else { DB::BEGIN_COMMITTED };
        let mut tx = conn.begin_with(begin).await.unwrap();
        match fence(number).show(&mut *tx).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Fenced => return 0,
            Err(error) if error.is_conflict() => {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                assert!(DB::GIVES_WAY && repeatable, "{error:?}");
                continue;
            }
            Err(error) => panic!("{error:?}"),
        }
        let read = cents::<DB>(&mut tx).await;
        DB::run(&mut tx, format!("UPDATE account SET cents = {}", read + 1)).await.unwrap();
        tx.commit().await.unwrap();
        return 1;
    }
}

on_all!(new_resources_side_by_side_do_not_disturb_one_another);

/// Rows that are not there yet: a search for one would lock its neighbours' places too.
async fn new_resources_side_by_side_do_not_disturb_one_another<DB: Bank>(pool: &Pool<DB>) {
    if !DB::LOCKS_ROWS {
        return;
    }
    open(pool).await;
    let start = Arc::new(Barrier::new(12));
    let holders = (0..12_u64).map(|id| {
        let (pool, start) = (pool.clone(), start.clone());
        tokio::spawn(async move {
            for round in 0..20 {
                let mut tx = pool.begin().await.unwrap();
                start.wait().await;
                // Two for each resource, so that half of them find what the other has just written.
                let resource = item(round * 100 + id / 2);
                let fence = Fence::new(resource, 1 + id % 2).holder(id.to_be_bytes());
                let shown = fence.show(&mut *tx).await.err().map(|error| error.kind());
                assert!(matches!(shown, None | Some(ErrorKind::Fenced)), "{shown:?}");
                tx.commit().await.unwrap();
            }
        })
    });
    for holder in holders.collect::<Vec<_>>() {
        holder.await.unwrap();
    }
}

on_all!(guard_shows_its_number);

async fn guard_shows_its_number<DB: Bank + cachekit::outbox::Backend>(pool: &Pool<DB>) {
    open(pool).await;
    let cache = Cache::builder().build().unwrap();
    assert_eq!(cache.fencing_floor(pool, &item(1)).await.unwrap(), 0);
    let first = cache.lock(item(1)).above(41).acquire().await.unwrap();
    assert_eq!(first.fencing_token(), 42);
    let mut tx = cache.begin(pool).await.unwrap();
    first.fence(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!(cache.fencing_floor(pool, &item(1)).await.unwrap(), 0);
    let mut conn = pool.acquire().await.unwrap();
    first.handle().fence(&mut *conn).await.unwrap();
    assert_eq!(cache.fencing_floor(pool, &item(1)).await.unwrap(), 42);
    let handle = first.handle();
    first.release().await.unwrap();

    let both = cache.lock_all([item(2), item(1)]).acquire().await.unwrap();
    both.fence(&mut *conn).await.unwrap();
    for (key, token) in both.fencing_tokens() {
        assert_eq!(cache.fencing_floor(pool, &key).await.unwrap(), token);
    }
    let stale = handle.fence(&mut *conn).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Fenced);
    assert_eq!(stale.template(), Some("item:<id>"));
}

on_all!(missing_table_is_named_with_what_makes_it);

async fn missing_table_is_named_with_what_makes_it<DB: Bank>(pool: &Pool<DB>) {
    let mut conn = pool.acquire().await.unwrap();
    let error = fence(1).show(&mut *conn).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert!(error.message().contains("fencing::migrate"), "{error}");
    let cache = Cache::builder().build().unwrap();
    let error = cache.fencing_floor(pool, &item(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    let processes = (0..4).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { fencing::migrate(&pool).await })
    });
    for process in processes.collect::<Vec<_>>() {
        process.await.unwrap().unwrap();
    }
    fence(1).show(&mut *conn).await.unwrap();
}

on_all!(database_that_gave_way_is_told_from_a_refusal);

async fn database_that_gave_way_is_told_from_a_refusal<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let mut tx = pool.begin().await.unwrap();
    fence(5).show(&mut *tx).await.unwrap();
    let mut other = pool.acquire().await.unwrap();
    DB::run(&mut other, DB::HURRY.to_owned()).await.unwrap();
    let error = fence(6).show(&mut *other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(error.is_transient() && error.is_conflict());
    tx.commit().await.unwrap();
    let mut refused = pool.begin().await.unwrap();
    let error = fence(4).show(&mut *refused).await.unwrap_err();
    assert!(!error.is_transient() && !error.is_conflict());
    other.close().await.unwrap();
}

on_all!(number_that_is_shown_by_a_dropped_call_harms_nobody);

async fn number_that_is_shown_by_a_dropped_call_harms_nobody<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    for (number, polls) in (1..).zip(0..) {
        let mut tx = pool.begin().await.unwrap();
        let done = Polls::new(fence(number).show(&mut *tx), polls).await.is_some();
        let _ = tx.rollback().await;
        assert_eq!(shown(pool, &fence(number)).await, None, "after {polls} polls");
        let cache = Cache::builder().build().unwrap();
        let key = item(1);
        let _ = Polls::new(cache.fencing_floor(pool, &key), polls).await;
        if done {
            return;
        }
    }
    unreachable!("it comes to an end")
}

async fn patience<DB: Bank>(conn: &mut DB::Connection) -> Vec<i64> {
    DB::numbers(conn, DB::PATIENCE).await.unwrap()
}

on_all!(dropped_call_leaves_nothing_for_the_next_statement);

/// On connections that know no statement yet: what is prepared first is what a caller leaves half-way.
async fn dropped_call_leaves_nothing_for_the_next_statement<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    run(pool, "UPDATE account SET cents = 7").await;
    let locks = SqlLock::new(pool);
    for polls in 0.. {
        let one = PoolOptions::new().max_connections(1).acquire_timeout(SECOND);
        let one: Pool<DB> = one.connect_with((*pool.connect_options()).clone()).await.unwrap();
        let mut tx = one.begin().await.unwrap();
        let shown = Polls::new(fence(1).show(&mut *tx), polls).await.is_some();
        tx.rollback().await.unwrap();
        let mut tx = one.begin().await.unwrap();
        assert_eq!(cents::<DB>(&mut tx).await, 7, "number not shown after {polls} polls");
        let before = patience::<DB>(&mut tx).await;
        let entered = Polls::new(locks.enter(&mut tx, &item(2), SECOND), polls).await.is_some();
        // Dropped, not rolled back: an error of what was left would be taken for that of ROLLBACK.
        drop(tx);
        let mut conn = one.acquire().await.unwrap();
        assert_eq!(cents::<DB>(&mut conn).await, 7, "not entered after {polls} polls");
        // SQLite's says that the connection is to be closed.
        if DB::LOCKS_ROWS {
            assert_eq!(patience::<DB>(&mut conn).await, before, "after {polls} polls");
        }
        drop(conn);
        let cache = Cache::builder().build().unwrap();
        let read = Polls::new(cache.fencing_floor(&one, &item(1)), polls).await.is_some();
        let mut conn = one.acquire().await.unwrap();
        assert_eq!(cents::<DB>(&mut conn).await, 7, "after {polls} polls");
        if shown && entered && read {
            assert!(polls > 1, "it is left half-way");
            return;
        }
    }
}
