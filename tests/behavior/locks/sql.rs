//! Locks that a database keeps exclude one another, and leave nothing behind.

use std::time::{Duration, Instant};

use cachekit::{ErrorKind, SqlLock};
use cachekit_tests::{Polls, item, soon, until_async};
use sqlx::Pool;

use super::bank::{Bank, cents, locks, on_all, open, until_blocked};

const SECOND: Duration = Duration::from_secs(1);

fn process<DB: Bank>(pool: &Pool<DB>) -> SqlLock<DB> {
    SqlLock::new(pool).namespace("t")
}

on_all!(two_processes_exclude_one_another);

async fn two_processes_exclude_one_another<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let (one, other) = (process(pool), process(pool));
    let guard = one.lock(item(1)).acquire().await.unwrap();
    let busy = other.lock(item(1)).try_acquire().await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy, "{busy:?}");
    let begun = Instant::now();
    let wait = Duration::from_millis(300);
    let exhausted = other.lock(item(1)).wait(wait).acquire().await.unwrap_err();
    assert_eq!(exhausted.kind(), ErrorKind::WaitExhausted, "{exhausted:?}");
    let waited = begun.elapsed();
    assert!(waited >= wait && waited < wait + SECOND, "{waited:?}");
    other.lock(item(2)).try_acquire().await.unwrap().release().await.unwrap();
    SqlLock::new(pool).lock(item(1)).try_acquire().await.unwrap().release().await.unwrap();

    let waiting = tokio::spawn(other.lock(item(1)).wait(20 * SECOND).acquire());
    until_async("it waits", async || DB::WAITERS == 0 || waiters(pool).await == 1).await;
    let first = guard.fencing_token();
    guard.check().unwrap();
    guard.release().await.unwrap();
    let second = soon(waiting).await.unwrap().unwrap();
    assert_eq!(second.fencing_token(), first + 1);
    drop(second);
    soon(one.lock(item(1)).acquire()).await.unwrap().release().await.unwrap();
    until_async("nothing is locked", async || locks(pool).await == 0).await;
}

async fn waiters<DB: Bank>(pool: &Pool<DB>) -> i64 {
    let mut conn = pool.acquire().await.unwrap();
    DB::numbers(&mut conn, DB::WAITING).await.unwrap()[0]
}

on_all!(counter_under_the_lock_is_exact);

async fn counter_under_the_lock_is_exact<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let processes: Vec<_> = (0..4).map(|_| process(pool)).collect();
    let tasks = (0..16).map(|task| {
        let (locks, pool) = (processes[task % 4].clone(), pool.clone());
        tokio::spawn(async move {
            for _ in 0..10 {
                let guard = locks.lock(item(1)).wait(60 * SECOND).acquire().await.unwrap();
                add_one::<DB>(&mut *pool.acquire().await.unwrap()).await;
                guard.release().await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(cents::<DB>(&mut conn).await, 160);
    assert_eq!(DB::numbers(&mut conn, "SELECT fence FROM cachekit_fences").await.unwrap(), [160]);
}

/// Reads, and writes what it read: two at once lose one.
async fn add_one<DB: Bank>(conn: &mut DB::Connection) {
    let read = cents::<DB>(conn).await;
    tokio::task::yield_now().await;
    DB::run(conn, format!("UPDATE account SET cents = {}", read + 1)).await.unwrap();
}

on_all!(counter_in_transactions_that_have_the_lock_is_exact);

async fn counter_in_transactions_that_have_the_lock_is_exact<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let locks = process(pool);
    let tasks = (0..16).map(|_| {
        let (locks, pool) = (locks.clone(), pool.clone());
        tokio::spawn(async move {
            for _ in 0..10 {
                let mut tx = pool.begin().await.unwrap();
                locks.enter(&mut tx, &item(1), 60 * SECOND).await.unwrap();
                add_one::<DB>(&mut tx).await;
                tx.commit().await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(cents::<DB>(&mut *pool.acquire().await.unwrap()).await, 160);
}

on_all!(transaction_s_lock_ends_with_it);

async fn transaction_s_lock_ends_with_it<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let locks = process(pool);
    for commits in [true, false] {
        let mut tx = pool.begin().await.unwrap();
        locks.enter(&mut tx, &item(1), SECOND).await.unwrap();
        locks.enter(&mut tx, &item(1), SECOND).await.unwrap();
        let mut other = pool.begin().await.unwrap();
        let begun = Instant::now();
        let error = locks.enter(&mut other, &item(1), Duration::from_millis(200)).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::WaitExhausted);
        assert!(begun.elapsed() < 3 * SECOND, "{:?}", begun.elapsed());
        let _ = other.rollback().await;
        let mut other = pool.begin().await.unwrap();
        let error = locks.enter(&mut other, &item(1), Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        let _ = other.rollback().await;
        if commits {
            tx.commit().await.unwrap()
        } else {
            drop(tx)
        }
        let mut next = pool.begin().await.unwrap();
        soon(locks.enter(&mut next, &item(1), 2 * SECOND)).await.unwrap();
        next.rollback().await.unwrap();
    }
}

on_all!(time_outs_of_a_transaction_are_as_they_were_after_it_took_a_lock);

async fn time_outs_of_a_transaction_are_as_they_were_after_it_took_a_lock<DB: Bank>(
    pool: &Pool<DB>,
) {
    open(pool).await;
    let locks = process(pool);
    let mut tx = pool.begin().await.unwrap();
    let before = DB::numbers(&mut tx, DB::PATIENCE).await.unwrap();
    locks.enter(&mut tx, &item(1), 3 * SECOND).await.unwrap();
    assert_eq!(DB::numbers(&mut tx, DB::PATIENCE).await.unwrap(), before);
    tx.rollback().await.unwrap();
}

on_all!(acquisition_that_is_dropped_leaves_nothing_locked);

/// Dropped after each number of polls: with nobody in the way, while it waits, and while it is released.
async fn acquisition_that_is_dropped_leaves_nothing_locked<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let (one, other) = (process(pool), process(pool));
    let mut most = 0;
    for polls in 0.. {
        let done = Polls::new(one.lock(item(1)).acquire(), polls).await;
        let next = other.lock(item(1)).wait(10 * SECOND).acquire();
        let done = match done {
            Some(guard) => {
                most = polls;
                drop(guard.unwrap());
                true
            }
            None => false,
        };
        let guard = next.await.unwrap_or_else(|error| panic!("after {polls} polls: {error:?}"));
        // One that waits is dropped before its turn comes or after, and nobody takes it.
        let mut waiting = Polls::new(one.lock(item(1)).wait(10 * SECOND).acquire(), polls);
        let waited = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
        let _ = Polls::new(guard.release(), polls).await;
        if waited.is_err() {
            drop(waiting.await);
        }
        let next = one.lock(item(1)).wait(10 * SECOND).acquire().await;
        next.unwrap_or_else(|error| panic!("after {polls} polls: {error:?}"))
            .release()
            .await
            .unwrap();
        if done {
            break;
        }
    }
    assert!(most >= 1, "the first poll cannot do it all");
    until_async("nothing is locked", async || locks(pool).await == 0).await;
}

on_all!(waiters_that_go_away_leave_no_connection_behind);

/// A server that waits for a lock does not read from its client, and so does not hear that it is gone.
async fn waiters_that_go_away_leave_no_connection_behind<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let (one, other) = (process(pool), process(pool));
    let guard = one.lock(item(1)).acquire().await.unwrap();
    for _ in 0..3 {
        let waiting = tokio::spawn(other.lock(item(1)).wait(60 * SECOND).acquire());
        until_async("it waits", async || DB::WAITERS == 0 || waiters(pool).await >= 1).await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
    }
    until_async("nobody waits", async || waiters(pool).await == 0).await;
    guard.release().await.unwrap();
}

on_all!(waiter_that_goes_away_is_given_nothing);

/// The database does not hear of it at once, and may give it the lock: over a connection that nobody else may have.
async fn waiter_that_goes_away_is_given_nothing<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let (one, other, third) = (process(pool), process(pool), process(pool));
    let guard = one.lock(item(1)).acquire().await.unwrap();
    let waiting = tokio::spawn(other.lock(item(1)).wait(60 * SECOND).acquire());
    until_async("it waits", async || DB::WAITERS == 0 || waiters(pool).await == 1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    guard.release().await.unwrap();
    third.lock(item(1)).wait(10 * SECOND).acquire().await.unwrap().release().await.unwrap();
    until_async("nothing is locked", async || locks(pool).await == 0).await;
}

on_all!(transaction_that_is_dropped_in_mid_entry_leaves_nothing_locked);

async fn transaction_that_is_dropped_in_mid_entry_leaves_nothing_locked<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let locks = process(pool);
    for polls in 0.. {
        let mut tx = pool.begin().await.unwrap();
        let done = Polls::new(locks.enter(&mut tx, &item(1), SECOND), polls).await.is_some();
        drop(tx);
        let mut next = pool.begin().await.unwrap();
        locks.enter(&mut next, &item(1), 10 * SECOND).await.unwrap();
        next.commit().await.unwrap();
        if done {
            return;
        }
    }
}

on_all!(callers_of_one_process_need_one_connection);

async fn callers_of_one_process_need_one_connection<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let locks = SqlLock::with_connections(pool, 1).namespace("t");
    let tasks = (0..20).map(|_| {
        let (locks, pool) = (locks.clone(), pool.clone());
        tokio::spawn(locks.lock(item(1)).wait(20 * SECOND).run(async move {
            add_one::<DB>(&mut *pool.acquire().await.unwrap()).await;
        }))
    });
    let tasks = tasks.collect::<Vec<_>>();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(cents::<DB>(&mut *pool.acquire().await.unwrap()).await, 20);
    if DB::WAITERS > 0 {
        let guard = locks.lock(item(1)).acquire().await.unwrap();
        let crowded = locks.lock(item(2)).try_acquire().await.unwrap_err();
        assert_eq!(crowded.kind(), ErrorKind::Overloaded, "{crowded:?}");
        guard.release().await.unwrap();
    }
}

on_all!(next_holder_waits_for_the_transaction_of_a_former_one);

async fn next_holder_waits_for_the_transaction_of_a_former_one<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let (one, other) = (process(pool), process(pool));
    let guard = one.lock(item(1)).acquire().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    guard.fence(&mut *tx).await.unwrap();
    guard.handle().check().unwrap();
    if DB::WAITERS > 0 {
        guard.release().await.unwrap();
    } else {
        // The file is the transaction's, so the row cannot be given back before its end.
        drop(guard);
    }
    let waiting = tokio::spawn(other.lock(item(1)).wait(20 * SECOND).acquire());
    until_blocked(pool).await;
    assert!(!waiting.is_finished(), "what the former holder does may still be committed");
    tx.commit().await.unwrap();
    waiting.await.unwrap().unwrap().release().await.unwrap();
}
