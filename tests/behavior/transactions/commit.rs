//! What is committed is invalidated, and nothing else is.

use cachekit::events::Event;
use cachekit::{
    Cache, Outcome, OutcomeUnknown, Status, Transaction, key, with_receipt, with_status,
};
use cachekit_test_support::{Proxy, RedisServer, invalidation};
use cachekit_tests::{POLICY, Polls, builder, item, soon, until_async};
use sqlx::{Database, Executor, IntoArguments, Pool};

use super::database::Bench;
use super::{Items, on_mariadb, on_postgres, on_sqlite};

pub(super) async fn all<DB: Items>(pool: &Pool<DB>) {
    committed(pool).await;
    not_committed(pool).await;
    survives_its_caller(pool).await;
    adopted(pool).await;
    nothing_recorded(pool).await;
    tag_recorded(pool).await;
}

async fn tag_recorded<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    let tagged = bench.cache.tagged([key!("items")]);
    let read = async || {
        let load = async || Ok::<_, ()>(1_u64);
        with_status(tagged.get_or_load(item(1), &POLICY, load)).await.1
    };
    assert_eq!(read().await, Status::Loaded);
    let mut tx = bench.cache.begin(pool).await.unwrap();
    tx.invalidate_tag(key!("items"));
    let mut attempt = tx.savepoint().await.unwrap();
    attempt.invalidate_tag(key!("orders"));
    attempt.rollback().await.unwrap();
    assert_eq!(read().await, Status::Hit, "nothing is committed yet");
    let (committed, receipt) = with_receipt(tx.commit()).await;
    assert_eq!(committed.unwrap().invalidation, Outcome::Applied);
    assert_eq!(receipt.entries(), [(key!("items").to_tag(), Outcome::Applied)]);
    assert_eq!(read().await, Status::Loaded);
    bench.until_states(&[1]).await;
    assert_eq!(bench.keys().await, ["~t:items"]);
}

async fn committed<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    bench.warm(1).await;
    bench.warm(2).await;
    let mut tx = bench.cache.begin(pool).await.unwrap();
    DB::set(&mut tx, 1, 7).await.unwrap();
    tx.invalidate(item(1));
    tx.invalidate(item(1));
    assert_eq!(bench.read(1).await, (1, Status::Hit), "nothing is committed yet");
    let (committed, receipt) = with_receipt(tx.commit()).await;
    assert_eq!(committed.unwrap().invalidation, Outcome::Applied);
    assert_eq!(receipt.entries(), [(item(1), Outcome::Applied)], "each key once");
    assert_eq!(bench.read(1).await, (7, Status::Loaded));
    assert_eq!(bench.read(2).await, (1, Status::Hit));
    bench.until_states(&[1]).await;
}

async fn not_committed<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    bench.warm(1).await;
    let write = async || {
        let mut tx = bench.cache.begin(pool).await.unwrap();
        DB::set(&mut tx, 1, 7).await.unwrap();
        tx.invalidate(item(1));
        tx.publish(Event::new("items", &1).unwrap());
        tx
    };
    write().await.rollback().await.unwrap();
    drop(write().await);
    let panicking = {
        let tx = write().await;
        tokio::spawn(async move {
            let _tx = tx;
            std::panic::resume_unwind(Box::new("the body panicked"));
        })
    };
    assert!(panicking.await.unwrap_err().is_panic());
    // Never polled, COMMIT is not sent.
    drop(write().await.commit());
    assert_eq!(bench.read(1).await, (1, Status::Hit));
    assert!(bench.states().await.is_empty());
    let mut conn = pool.acquire().await.unwrap();
    let values = DB::numbers(&mut conn, "SELECT value FROM items WHERE id = 1").await;
    assert_eq!(values.unwrap(), [1]);
}

async fn survives_its_caller<DB: Items>(pool: &Pool<DB>) {
    for polls in 1..6 {
        let bench = Bench::new(pool).await;
        bench.warm(1).await;
        let mut tx = bench.cache.begin(pool).await.unwrap();
        DB::set(&mut tx, 1, 7).await.unwrap();
        tx.invalidate(item(1));
        let _gone = Polls::new(tx.commit(), polls).await;
        until_async("it was committed and invalidated", async || bench.read(1).await.0 == 7).await;
        bench.until_states(&[1]).await;
    }
}

async fn adopted<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    bench.warm(1).await;
    for (value, knows_the_pool) in [(7, false), (8, true)] {
        let mut tx = bench.cache.adopt(pool.begin().await.unwrap());
        if knows_the_pool {
            tx = tx.settling_on(pool);
        }
        DB::set(&mut tx, 1, value).await.unwrap();
        tx.invalidate(item(1));
        assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
        assert_eq!(bench.read(1).await, (value, Status::Loaded));
    }
    // The first one's row is the relay's.
    bench.until_states(&[0, 1]).await;
}

async fn nothing_recorded<DB: Items>(pool: &Pool<DB>) {
    let bench = Bench::new(pool).await;
    bench.warm(1).await;
    for cache in [bench.cache.clone(), Cache::disabled()] {
        let mut tx = cache.begin(pool).await.unwrap();
        DB::set(&mut tx, 2, 7).await.unwrap();
        if cache.entry_count() == 0 {
            tx.invalidate(item(1));
        }
        assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
    }
    assert_eq!(bench.read(1).await, (1, Status::Hit));
    assert_eq!(bench.read(2).await, (7, Status::Loaded));
    assert!(bench.states().await.is_empty());
}

/// As users write it, without a trait of their own.
async fn remove_all<DB: Database>(tx: &mut Transaction<'_, DB>) -> sqlx::Result<()>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
{
    sqlx::query("DELETE FROM items").execute(&mut **tx).await?;
    tx.invalidate(key!("all"));
    Ok(())
}

#[tokio::test]
async fn generic_database() {
    on_sqlite(|pool| async move {
        let bench = Bench::new(&pool).await;
        let mut tx = bench.cache.begin(&pool).await.unwrap();
        remove_all(&mut tx).await.unwrap();
        let mut savepoint = tx.savepoint().await.unwrap();
        remove_all(&mut savepoint).await.unwrap();
        savepoint.commit().await.unwrap();
        assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
        bench.until_states(&[1]).await;
    })
    .await;
    on_postgres(|pool, _server| async move {
        let bench = Bench::new(&pool).await;
        let mut tx = bench.cache.begin(&pool).await.unwrap();
        remove_all(&mut tx).await.unwrap();
        assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
        bench.until_states(&[1]).await;
    })
    .await;
}

#[tokio::test]
async fn only_what_is_committed_is_invalidated() {
    on_sqlite(|pool| async move { all(&pool).await }).await;
}

#[tokio::test]
async fn adopted_transaction() {
    on_sqlite(|pool| async move { adopted(&pool).await }).await;
}

#[tokio::test]
async fn every_promise_on_postgres() {
    on_postgres(|pool, _server| async move {
        all(&pool).await;
        super::savepoints::all(&pool).await;
        super::attributes::all(&pool).await;
        refused_commit(&pool, "CREATE TABLE parts (id BIGINT PRIMARY KEY, item BIGINT REFERENCES items DEFERRABLE INITIALLY DEFERRED)").await;
    })
    .await;
}

#[tokio::test]
async fn every_promise_on_mariadb() {
    on_mariadb(|pool, _server| async move {
        all(&pool).await;
        super::savepoints::all(&pool).await;
        super::attributes::all(&pool).await;
    })
    .await;
}

/// COMMIT finds that an item is missing.
async fn refused_commit<DB: Items>(pool: &Pool<DB>, create: &str) {
    let bench = Bench::new(pool).await;
    bench.warm(1).await;
    bench.run(create).await;
    let mut tx = bench.cache.begin(pool).await.unwrap();
    DB::set(&mut tx, 1, 7).await.unwrap();
    DB::run(&mut tx, "INSERT INTO parts VALUES (1, 99)".to_owned()).await.unwrap();
    tx.invalidate(item(1));
    let error = soon(tx.commit()).await.unwrap_err();
    assert!(OutcomeUnknown::of(&error).is_none(), "{error}");
    assert!(error.as_database_error().is_some_and(|e| e.is_foreign_key_violation()), "{error}");
    assert_eq!(bench.read(1).await, (1, Status::Hit), "and nothing was invalidated");
    assert!(bench.states().await.is_empty(), "a refusal needs no verdict");
    bench.run("DROP TABLE parts").await;
}

#[tokio::test]
async fn a_refused_commit_invalidates_nothing() {
    on_sqlite(|pool| async move {
        refused_commit(&pool, "CREATE TABLE parts (id BIGINT PRIMARY KEY, item BIGINT REFERENCES items DEFERRABLE INITIALLY DEFERRED)").await;
    })
    .await;
}

#[tokio::test]
async fn a_missing_table_is_named_with_its_remedy() {
    on_sqlite(|pool| async move {
        let bench = Bench::new(&pool).await;
        bench.run("DROP TABLE cachekit_outbox").await;
        bench.warm(1).await;
        let mut tx = bench.cache.begin(&pool).await.unwrap();
        <sqlx::Sqlite as Items>::set(&mut tx, 1, 7).await.unwrap();
        tx.invalidate(item(1));
        let error = tx.commit().await.unwrap_err();
        assert!(error.to_string().contains("cachekit::outbox::migrate"), "{error}");
        assert_eq!(bench.read(1).await, (1, Status::Hit));
    })
    .await;
}

#[tokio::test]
async fn without_redis_the_row_is_left_for_the_relay() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port());
    on_sqlite(|pool| async move {
        let mut bench = Bench::new(&pool).await;
        bench.cache = builder(&proxy.url()).await.build().unwrap();
        bench.warm(1).await;
        let unlinks = proxy.hold(invalidation);
        let mut tx = bench.cache.begin(&pool).await.unwrap();
        <sqlx::Sqlite as Items>::set(&mut tx, 1, 7).await.unwrap();
        tx.invalidate(item(1));
        assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Pending);
        assert_eq!(bench.read(1).await, (7, Status::Bypassed), "it reads its own write");
        assert_eq!(bench.states().await, [0]);
        drop(unlinks);
        until_async("the retry gets through", async || bench.read(1).await == (7, Status::Hit))
            .await;
        let mut tx = bench.cache.begin(&pool).await.unwrap();
        tx.invalidate(item(1));
        assert_eq!(tx.commit().await.unwrap().invalidation, Outcome::Applied);
        bench.until_states(&[0, 1]).await;
    })
    .await;
}
