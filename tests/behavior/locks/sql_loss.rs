//! A lock that a database keeps is told to be lost when it is.

use std::time::{Duration, Instant};

use cachekit::{ErrorKind, SqlLock};
use cachekit_tests::{item, soon, until_async};
use sqlx::Pool;

use super::bank::{Bank, locks, on_all, open, run};

const LEASE: Duration = Duration::from_millis(900);

on_all!(holder_is_told_when_the_database_ends_its_lock);

async fn holder_is_told_when_the_database_ends_its_lock<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let (one, other) = (SqlLock::new(pool).namespace("t"), SqlLock::new(pool).namespace("t"));
    let guard = one.lock(item(1)).lease(LEASE).acquire().await.unwrap();
    let handle = guard.handle();
    let working = tokio::spawn(async move {
        let worked = guard.run(std::future::pending::<()>()).await;
        (worked, guard)
    });
    run(pool, DB::CUT).await;
    let cut = Instant::now();
    let (worked, guard) = soon(working).await.unwrap();
    assert_eq!(worked.unwrap_err().kind(), ErrorKind::LockLost);
    assert!(cut.elapsed() < LEASE, "{:?}", cut.elapsed());
    assert_eq!(handle.check().unwrap_err().kind(), ErrorKind::LockLost);
    let next = soon(other.lock(item(1)).acquire()).await.unwrap();
    assert_eq!(guard.release().await.unwrap_err().kind(), ErrorKind::LockLost);
    let mut conn = pool.acquire().await.unwrap();
    next.fence(&mut *conn).await.unwrap();
    assert_eq!(handle.fence(&mut *conn).await.unwrap_err().kind(), ErrorKind::Fenced);
    next.check().unwrap();
    next.release().await.unwrap();
    soon(one.lock(item(1)).acquire()).await.unwrap().release().await.unwrap();
}

on_all!(lock_that_came_too_late_is_not_given);

/// The file is somebody else's for longer than the lease lasts: the row was written, and is as good as over.
async fn lock_that_came_too_late_is_not_given<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let lease = Duration::from_millis(200);
    let locks = SqlLock::new(pool).namespace("t");
    let mut writer = pool.begin().await.unwrap();
    DB::run(&mut writer, "UPDATE account SET cents = 1".to_owned()).await.unwrap();
    let taking = tokio::spawn(locks.lock(item(1)).lease(lease).acquire());
    // For that long it is kept waiting where one transaction excludes all others.
    tokio::time::sleep(lease * 3).await;
    writer.rollback().await.unwrap();
    match soon(taking).await.unwrap() {
        Ok(guard) => {
            guard.check().unwrap();
            guard.release().await.unwrap();
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::Timeout),
    }
    soon(locks.lock(item(1)).acquire()).await.unwrap().release().await.unwrap();
}

on_all!(held_lock_outlives_its_lease_and_a_left_one_does_not);

async fn held_lock_outlives_its_lease_and_a_left_one_does_not<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let lease = Duration::from_millis(300);
    let (one, other) = (SqlLock::new(pool).namespace("t"), SqlLock::new(pool).namespace("t"));
    let guard = one.lock(item(1)).lease(lease).acquire().await.unwrap();
    // That its lease ends meanwhile is what this is about.
    tokio::time::sleep(lease * 2).await;
    guard.check().unwrap();
    assert!(guard.held_for() >= lease * 2);
    let busy = other.lock(item(1)).try_acquire().await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    let left = Instant::now();
    guard.leave_to_expire();
    let next = other.lock(item(1)).acquire().await.unwrap();
    assert!(left.elapsed() >= lease / 2, "{:?}", left.elapsed());
    next.release().await.unwrap();
    until_async("nothing is locked", async || locks(pool).await == 0).await;
}

on_all!(lock_that_is_held_too_long_is_lost_and_given_back);

async fn lock_that_is_held_too_long_is_lost_and_given_back<DB: Bank>(pool: &Pool<DB>) {
    open(pool).await;
    let (one, other) = (SqlLock::new(pool).namespace("t"), SqlLock::new(pool).namespace("t"));
    let request = one.lock(item(1)).lease(LEASE / 3).max_hold(LEASE / 3);
    let guard = request.acquire().await.unwrap();
    let next = soon(other.lock(item(1)).acquire()).await.unwrap();
    assert_eq!(guard.check().unwrap_err().kind(), ErrorKind::LockLost);
    assert_eq!(soon(guard.lost()).await.kind(), ErrorKind::LockLost);
    next.release().await.unwrap();
}
