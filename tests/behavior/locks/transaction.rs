//! `#[locked]` on functions that open a transaction: lock, begin, commit, unlock.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use cachekit::{Cache, Key, Outcome, invalidates, key, locked};
use cachekit_test_support::{Command, Cut, PostgresServer, Proxy, RedisServer, TcpProxy};
use cachekit_tests::{NAMESPACE, PATIENCE, cache, patient_builder, soon, until};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::sync::Notify;

use crate::transactions::Sink;

#[derive(Debug)]
#[expect(dead_code, reason = "what went wrong is for whoever reads of a test that failed")]
enum Error {
    Lock(cachekit::Error),
    Database(sqlx::Error),
    Body,
}

impl From<cachekit::Error> for Error {
    fn from(error: cachekit::Error) -> Error {
        Error::Lock(error)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Error {
        Error::Database(error)
    }
}

/// A shop whose orders are rows, and what its calls have come to.
struct Shop {
    cache: Cache,
    db: PgPool,
    begun: AtomicU32,
    written: Notify,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Commit,
    Err,
    Panic,
    Never,
    /// COMMIT is sent, and not waited for.
    GiveUp,
}

impl Shop {
    #[locked(key = "order:<id>", lease = "10s", wait = "5s", cache = self.cache)]
    async fn ship(&self, id: i64, end: End) -> Result<Outcome, Error> {
        let mut tx = self.cache.begin(&self.db).await?;
        self.begun.fetch_add(1, SeqCst);
        tx.invalidate(key!("order:<id>"));
        let update = sqlx::query("UPDATE orders SET state = 'shipped' WHERE id = $1").bind(id);
        update.execute(&mut *tx).await?;
        self.written.notify_one();
        match end {
            End::Commit => Ok(tx.commit().await?.invalidation),
            End::Err => Err(Error::Body),
            End::Panic => panic!("the body"),
            End::Never => pending().await,
            End::GiveUp => {
                let _late = tokio::time::timeout(Duration::from_millis(100), tx.commit()).await;
                Err(Error::Body)
            }
        }
    }

    /// Under one more lock than [`ship`](Self::ship).
    #[locked(key = "customer:<customer>", lease = "10s", cache = self.cache)]
    async fn ship_for(&self, customer: i64, id: i64) -> Result<Outcome, Error> {
        self.ship(id, End::Commit).await
    }

    #[locked(key = "order:<id>", lease = "10s", cache = self.cache)]
    async fn ship_with_another_library(&self, id: i64) -> Result<Outcome, Error> {
        let mut tx = self.db.begin().await?;
        let update = sqlx::query("UPDATE orders SET state = 'shipped' WHERE id = $1").bind(id);
        update.execute(&mut *tx).await?;
        let mut pending = self.cache.pending().settling_on(&self.db);
        pending.invalidate(key!("order:<id>"));
        let written = pending.write(&mut Sink(&mut *tx)).await.expect("the table is there");
        Ok(self.cache.settle(written, tx.commit()).await?.invalidation)
    }

    #[invalidates("order:<id>", cache = self.cache)]
    #[locked(key = "order:<id>", wait = "5s", cache = self.cache)]
    async fn ship_with_plain_sqlx(&self, id: i64) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        self.begun.fetch_add(1, SeqCst);
        let update = sqlx::query("UPDATE orders SET state = 'shipped' WHERE id = $1").bind(id);
        update.execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    async fn open(cache: Cache, postgres: &PostgresServer) -> Shop {
        let db = PgPoolOptions::new().max_connections(4).connect(&postgres.url()).await.unwrap();
        cachekit::outbox::migrate(&db).await.unwrap();
        for sql in [
            "CREATE TABLE orders (id BIGINT PRIMARY KEY, state TEXT NOT NULL)",
            "INSERT INTO orders VALUES (7, 'paid'), (8, 'paid')",
        ] {
            sqlx::query(sql).execute(&db).await.unwrap();
        }
        Shop { cache, db, begun: AtomicU32::new(0), written: Notify::new() }
    }

    /// The same shop, whose database is behind a proxy.
    async fn through(&self, proxy: &TcpProxy) -> Shop {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
        let db = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
        Shop { cache: self.cache.clone(), db, begun: AtomicU32::new(0), written: Notify::new() }
    }

    /// Nobody gets the lock of `key` while the COMMIT of `order:7` is stalled, and whoever gets it then finds that shipped.
    async fn is_locked_until_commit_is_over(
        &self,
        key: Key,
        proxy: &TcpProxy,
        redis: &RedisServer,
    ) {
        let other = cache(&redis.url()).await;
        for _ in 0..20 {
            let busy = other.lock(key.clone()).try_acquire().await.unwrap_err();
            assert_eq!(busy.kind(), cachekit::ErrorKind::Busy);
            tokio::task::yield_now().await;
        }
        proxy.cut();
        let next = other.lock(key).wait(PATIENCE).acquire().await.unwrap();
        assert_eq!(self.state(7).await, "shipped");
        next.release().await.unwrap();
    }

    /// As everybody else sees it.
    async fn state(&self, id: i64) -> String {
        let state = sqlx::query_scalar("SELECT state FROM orders WHERE id = $1").bind(id);
        state.fetch_one(&self.db).await.unwrap()
    }
}

fn of_a_lock(command: &Command) -> bool {
    let name = format!("ck~lock:{NAMESPACE}:");
    command.args.iter().any(|arg| arg.starts_with(name.as_bytes()))
}

#[tokio::test]
async fn a_transaction_begins_after_the_lock_and_is_committed_before_its_release() {
    let (redis, postgres) = (RedisServer::start(), PostgresServer::start());
    let proxy = Proxy::start(redis.port());
    let cache = patient_builder(&proxy.url()).await.build().unwrap();
    // From here on Redis knows the scripts, and each is sent once.
    cache.lock(key!("order:0")).acquire().await.unwrap().release().await.unwrap();
    let shop = Shop::open(cache, &postgres).await;
    for id in [7, 8] {
        let begun = shop.begun.load(SeqCst);
        let commands = proxy.hold(of_a_lock);
        let call = async {
            match id {
                7 => shop.ship(7, End::Commit).await.map(drop),
                _ => shop.ship_with_plain_sqlx(8).await,
            }
        };
        let seen = async {
            until("it asks for the lock", || commands.waiting() == 1).await;
            assert_eq!((shop.begun.load(SeqCst), &*shop.state(id).await), (begun, "paid"));
            commands.release(1);
            until("it releases the lock", || commands.met() == 2).await;
            assert_eq!(shop.state(id).await, "shipped", "committed, and the lock is still held");
            commands.release(1);
        };
        let (result, ()) = tokio::join!(call, seen);
        result.unwrap();
    }
}

#[tokio::test]
async fn a_transaction_that_fails_panics_or_is_dropped_leaves_neither_a_lock_nor_a_row() {
    let (redis, postgres) = (RedisServer::start(), PostgresServer::start());
    let shop = Arc::new(Shop::open(cache(&redis.url()).await, &postgres).await);
    let other = cache(&redis.url()).await;
    for end in [End::Err, End::Panic, End::Never] {
        let call = tokio::spawn({
            let shop = shop.clone();
            async move { shop.ship(7, end).await }
        });
        shop.written.notified().await;
        if end == End::Never {
            call.abort();
        }
        match call.await {
            Ok(result) => assert!(matches!(result, Err(Error::Body)), "{result:?}"),
            Err(gone) => assert_eq!(gone.is_panic(), end == End::Panic),
        }
        let next = soon(other.lock(key!("order:7")).acquire()).await.unwrap();
        next.release().await.unwrap();
        assert_eq!(shop.state(7).await, "paid");
        // The connection is back in order, and so is the row.
        assert_eq!(soon(shop.ship(8, End::Commit)).await.unwrap(), Outcome::Applied);
    }
}

/// The caller goes away when COMMIT is on its way: whoever comes next must not read what was there before.
#[tokio::test]
async fn a_call_that_is_dropped_in_mid_commit_keeps_its_lock_until_that_is_over() {
    let (redis, postgres) = (RedisServer::start(), PostgresServer::start());
    let proxy = TcpProxy::start(postgres.port());
    let shop = Shop::open(cache(&redis.url()).await, &postgres).await;
    let stalled = shop.through(&proxy).await;
    proxy.cut_at(b"COMMIT", Cut::StallBeforeClient);
    let call = tokio::spawn(async move { stalled.ship(7, End::Commit).await });
    until("COMMIT is on its way", || proxy.stalled() == 1).await;
    call.abort();
    call.await.unwrap_err();
    shop.is_locked_until_commit_is_over(key!("order:7"), &proxy, &redis).await;
}

/// The body gives up waiting for COMMIT and returns: that is no reason to let another in before it.
#[tokio::test]
async fn a_body_that_gives_up_on_its_commit_keeps_its_lock_until_that_is_over() {
    let (redis, postgres) = (RedisServer::start(), PostgresServer::start());
    let proxy = TcpProxy::start(postgres.port());
    let shop = Shop::open(cache(&redis.url()).await, &postgres).await;
    let stalled = shop.through(&proxy).await;
    proxy.cut_at(b"COMMIT", Cut::StallBeforeClient);
    let given_up = soon(stalled.ship(7, End::GiveUp)).await;
    assert!(matches!(given_up, Err(Error::Body)), "{given_up:?}");
    until("COMMIT is on its way", || proxy.stalled() == 1).await;
    shop.is_locked_until_commit_is_over(key!("order:7"), &proxy, &redis).await;
}

/// As above, where another library commits.
#[tokio::test]
async fn a_call_that_is_dropped_while_it_settles_keeps_its_lock_until_that_is_over() {
    let (redis, postgres) = (RedisServer::start(), PostgresServer::start());
    let proxy = TcpProxy::start(postgres.port());
    let shop = Shop::open(cache(&redis.url()).await, &postgres).await;
    let stalled = shop.through(&proxy).await;
    proxy.cut_at(b"COMMIT", Cut::StallBeforeClient);
    let call = tokio::spawn(async move { stalled.ship_with_another_library(7).await });
    until("COMMIT is on its way", || proxy.stalled() == 1).await;
    call.abort();
    call.await.unwrap_err();
    shop.is_locked_until_commit_is_over(key!("order:7"), &proxy, &redis).await;
}

/// What the inner call commits was done under both locks.
#[tokio::test]
async fn a_call_in_a_call_keeps_the_outer_lock_too_until_its_commit_is_over() {
    let (redis, postgres) = (RedisServer::start(), PostgresServer::start());
    let proxy = TcpProxy::start(postgres.port());
    let shop = Shop::open(cache(&redis.url()).await, &postgres).await;
    let stalled = shop.through(&proxy).await;
    proxy.cut_at(b"COMMIT", Cut::StallBeforeClient);
    let call = tokio::spawn(async move { stalled.ship_for(1, 7).await });
    until("COMMIT is on its way", || proxy.stalled() == 1).await;
    call.abort();
    call.await.unwrap_err();
    shop.is_locked_until_commit_is_over(key!("customer:1"), &proxy, &redis).await;
}
