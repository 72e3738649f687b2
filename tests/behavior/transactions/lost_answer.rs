//! A COMMIT whose answer is lost is settled by the database's verdict, and never by a guess.

use std::time::{Duration, Instant};

use cachekit::outbox::Relay;
use cachekit::{Committed, Outcome, OutcomeUnknown, Status};
use cachekit_test_support::{Cut, TcpProxy};
use cachekit_tests::{item, until_async};
use sqlx::Pool;

use super::database::{Address, Bench, options};
use super::{Items, on_mariadb, on_postgres};

/// A way to the database that can be cut, and the other one by which the test looks.
struct Way<DB: Items> {
    bench: Bench<DB>,
    proxy: TcpProxy,
    through: Pool<DB>,
    id: u64,
}

impl<DB: Items> Way<DB> {
    async fn new(pool: &Pool<DB>, server: &Address, id: u64) -> Way<DB> {
        let proxy = TcpProxy::start(server.port);
        let url = server.url.replace(&server.port.to_string(), &proxy.port().to_string());
        let through = options().connect(&url).await.unwrap();
        let bench = Bench::before(pool);
        bench.warm(id).await;
        Way { bench, proxy, through, id }
    }

    /// Writes 7, and commits over a connection that is cut.
    async fn commit(&self, cut: Cut) -> sqlx::Result<Committed> {
        let mut tx = self.bench.cache.begin(&self.through).await.unwrap();
        DB::set(&mut tx, self.id, 7).await.unwrap();
        tx.invalidate(item(self.id));
        self.proxy.cut_at(b"COMMIT", cut);
        let begun = Instant::now();
        let outcome = tx.commit().await;
        assert!(!self.proxy.is_waiting(), "COMMIT went another way");
        assert!(begun.elapsed() < Duration::from_secs(7), "the wait is bounded");
        outcome
    }

    /// An adopted transaction, whose database is not known.
    async fn left_to_the_relay(self) {
        let mut tx = self.bench.cache.adopt(self.through.begin().await.unwrap());
        DB::set(&mut tx, self.id, 7).await.unwrap();
        tx.invalidate(item(self.id));
        self.proxy.cut_at(b"COMMIT", Cut::BeforeClient);
        let error = tx.commit().await.unwrap_err();
        assert!(OutcomeUnknown::of(&error).is_some(), "{error}");
        assert_eq!(self.read().await, (7, Status::Bypassed));
        let relay = Relay::new(&self.bench.cache, &self.bench.pool).start();
        self.until_kept(7).await;
        relay.shutdown().await.unwrap();
    }

    async fn read(&self) -> (i64, Status) {
        self.bench.read(self.id).await
    }

    async fn until_kept(&self, value: i64) {
        let kept = async || self.read().await == (value, Status::Hit);
        until_async("the key is right, and kept again", kept).await;
    }

    async fn committed(self) {
        let outcome = self.commit(Cut::BeforeClient).await.unwrap();
        assert_eq!(outcome.invalidation, Outcome::Applied);
        assert_eq!(self.read().await, (7, Status::Loaded));
        self.until_kept(7).await;
    }

    async fn aborted(self) {
        let error = self.commit(Cut::BeforeServer).await.unwrap_err();
        assert!(OutcomeUnknown::of(&error).is_none(), "there was a verdict: {error}");
        assert!(error.as_database_error().is_none(), "it is the lost connection: {error}");
        assert_eq!(self.read().await, (1, Status::Loaded));
        self.until_kept(1).await;
    }

    /// The database can be asked by nobody for a while.
    async fn unknown(self, cut: Cut, truth: i64) {
        let away = cut != Cut::ClientOnly;
        self.proxy.refuse(away);
        let error = self.commit(cut).await.unwrap_err();
        assert!(OutcomeUnknown::of(&error).is_some(), "{error}");
        for _ in 0..3 {
            assert_eq!(self.read().await, (truth, Status::Bypassed));
        }
        self.proxy.refuse(false);
        self.proxy.end_kept();
        self.until_kept(truth).await;
    }
}

async fn lost<DB: Items>(pool: Pool<DB>, server: Address) {
    Bench::new(&pool).await;
    let way = |id| Way::new(&pool, &server, id);
    tokio::join!(
        async { way(1).await.committed().await },
        async { way(2).await.aborted().await },
        async { way(3).await.unknown(Cut::BeforeClient, 7).await },
        async { way(4).await.unknown(Cut::BeforeServer, 1).await },
        async { way(5).await.unknown(Cut::ClientOnly, 1).await },
    );
    way(6).await.left_to_the_relay().await;
    // Done, poisoned or the relay's; none is lost.
    let mut states = Bench::before(&pool).states().await;
    states.sort_unstable();
    let done_or_pending = states.iter().filter(|state| **state < 2).count();
    assert_eq!((done_or_pending, states.len()), (3, 6), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_settled_on_postgres() {
    on_postgres(lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_settled_on_mariadb() {
    on_mariadb(lost).await;
}
