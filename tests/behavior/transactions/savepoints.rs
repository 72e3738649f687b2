//! A savepoint has keys of its own.

use cachekit::{Outcome, Savepoint, Status, Transaction, invalidates};
use cachekit_tests::{Polls, item, until_async};
use sqlx::{Database, Pool};

use super::database::Bench;
use super::{Items, on_sqlite};

pub(super) async fn all<DB: Items>(pool: &Pool<DB>) {
    rolled_back(pool).await;
    goes_where_the_transaction_goes(pool).await;
    left_in_mid_way(pool).await;
}

async fn rolled_back<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    for id in 1..=5 {
        bench.warm(id).await;
    }
    let mut tx = bench.begin(1).await;
    let mut outer = tx.savepoint().await.unwrap();
    write(&mut outer, 2).await;
    let mut inner = outer.savepoint().await.unwrap();
    write(&mut inner, 3).await;
    inner.commit().await.unwrap();
    let mut inner = outer.savepoint().await.unwrap();
    write(&mut inner, 4).await;
    inner.rollback().await.unwrap();
    outer.commit().await.unwrap();
    let mut dropped = tx.savepoint().await.unwrap();
    write(&mut dropped, 5).await;
    drop(dropped);
    assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
    for (id, expected) in [
        (1, (7, Status::Loaded)),
        (2, (7, Status::Loaded)),
        (3, (7, Status::Loaded)),
        (4, (1, Status::Hit)),
        (5, (1, Status::Hit)),
    ] {
        assert_eq!(bench.read(id).await, expected, "item {id}");
    }
}

async fn write<DB: Items>(tx: &mut Transaction<'_, DB>, id: u64) {
    DB::set(tx, id, 7).await.unwrap();
    tx.invalidate(item(id));
}

#[invalidates("item:<id>", tx = tx)]
async fn through_unique<DB: Database>(tx: &mut &mut Transaction<'_, DB>, id: u64) {
    let _ = tx;
}

#[invalidates("item:<id>")]
async fn through_savepoint<DB: Database>(savepoint: &mut Savepoint<'_, DB>, id: u64) {
    let _ = savepoint;
}

async fn goes_where_the_transaction_goes<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    for id in 1..=4 {
        bench.warm(id).await;
    }
    let mut tx = bench.cache.begin(pool).await.unwrap();
    through_unique(&mut &mut tx, 4).await;
    let mut savepoint = tx.savepoint().await.unwrap();
    write(&mut savepoint, 1).await;
    through_savepoint(&mut savepoint, 2).await;
    through_unique(&mut &mut *savepoint, 3).await;
    savepoint.commit().await.unwrap();
    assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
    for id in 1..=4 {
        assert_eq!(bench.read(id).await.1, Status::Loaded, "item {id}");
    }
}

/// What sqlx rolls back then is more than the savepoint.
async fn left_in_mid_way<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    bench.warm(1).await;
    // Where the answer is there at once nothing was left in mid-way.
    until_async("a savepoint was left unset", async || {
        let mut tx = bench.begin(1).await;
        let left = Polls::new(tx.savepoint(), 1).await.is_none();
        left && refuses(tx).await
    })
    .await;
    until_async("a savepoint was left unreleased", async || {
        let mut tx = bench.begin(1).await;
        let savepoint = tx.savepoint().await.unwrap();
        let left = Polls::new(savepoint.commit(), 1).await.is_none();
        left && refuses(tx).await
    })
    .await;
    until_async("an inner savepoint was left unset", async || {
        let mut tx = bench.begin(1).await;
        let mut outer = tx.savepoint().await.unwrap();
        if Polls::new(outer.savepoint(), 1).await.is_some() {
            return false;
        }
        assert!(outer.commit().await.is_err(), "it would be the commit of the transaction");
        refuses(tx).await
    })
    .await;
    assert_eq!(bench.read(1).await, (1, Status::Hit));
    assert!(bench.states().await.is_empty());
}

async fn refuses<DB: Items>(tx: Transaction<'static, DB>) -> bool {
    assert!(tx.commit().await.is_err(), "it is not known what would be committed");
    true
}

#[tokio::test]
async fn savepoint_rollback_forgets() {
    on_sqlite(|pool| async move { rolled_back(&pool).await }).await;
}

#[tokio::test]
async fn savepoint_goes_where_transaction_goes() {
    on_sqlite(|pool| async move { goes_where_the_transaction_goes(&pool).await }).await;
}

#[tokio::test]
async fn a_savepoint_left_in_mid_way_keeps_the_transaction_from_committing() {
    on_sqlite(|pool| async move { left_in_mid_way(&pool).await }).await;
}
