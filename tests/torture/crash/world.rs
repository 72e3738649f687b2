//! The servers, the processes that outlive the others, and what is true at a moment.

use std::time::Duration;

use cachekit::{
    Peek,
    outbox::{OutboxRow, RowId, StoredEvent},
};
use cachekit_test_support::{Cut, RedisServer, TcpProxy};
use cachekit_torture::{
    rows,
    service::{NAMESPACE, builder, item},
};
use fastrand::Rng;
use sqlx::Pool;

use super::host::{Hosted, durable_redis};
use crate::fleet::Worker;

const SURVIVORS: u64 = 2;

/// Items that nobody writes but the survivors.
pub(super) const COMMON: u32 = 8;

/// How many items each process that is killed has for itself.
pub(super) const SHARE: u32 = 3;

/// All items: up to eight processes are killed at a time.
pub(crate) const ITEMS: u32 = COMMON + 8 * SHARE;

/// The stream of what was left to relays.
pub(super) const TOPIC: &str = "left";

/// Items by what is in Redis.
#[derive(Debug, Default)]
pub(super) struct InRedis {
    pub(super) right: Vec<u32>,
    pub(super) wrong: Vec<u32>,
}

/// Servers and survivors.
pub(crate) struct World<DB: Hosted> {
    pub(super) server: DB::Server,
    pub(crate) redis: RedisServer,
    pub(crate) pool: Pool<DB>,
    pub(super) survivors: Vec<Worker>,
    /// The survivors' ways to the database, where it is on a server.
    pub(super) ways: Vec<TcpProxy>,
    /// The events that were committed.
    pub(super) events: Vec<String>,
}

impl<DB: Hosted> World<DB> {
    /// With survivors that relay or do not, and that write or do not.
    pub(crate) async fn start(seed: u64, relay: bool, writers: u32) -> World<DB> {
        let (server, redis) = (DB::host(), durable_redis());
        let pool = DB::open(&DB::url(&server)).await.expect("the database");
        rows::create(&pool, ITEMS).await.expect("the tables");
        let (survivors, ways, events) = (Vec::new(), Vec::new(), Vec::new());
        let mut world = World { server, redis, pool, survivors, ways, events };
        for number in 0..SURVIVORS {
            let (way, url) = world.way();
            world.ways.extend(way);
            let mut args = world.args("survive", &world.redis.url(), &url);
            args.extend([
                ("items", ITEMS.to_string()),
                ("common", COMMON.to_string()),
                ("relay", relay.to_string()),
                ("readers", "2".to_owned()),
                ("writers", writers.to_string()),
                ("seed", seed.wrapping_add(number).to_string()),
            ]);
            let mut survivor = Worker::start(&args).await;
            survivor.go().await;
            world.survivors.push(survivor);
        }
        world
    }

    /// A way of its own to the database, and its URL.
    pub(super) fn way(&self) -> (Option<TcpProxy>, String) {
        let url = DB::url(&self.server);
        let Some(port) = DB::port(&self.server) else { return (None, url) };
        let proxy = TcpProxy::start(port);
        let url = url.replace(&port.to_string(), &proxy.port().to_string());
        (Some(proxy), url)
    }

    /// Lets each survivor lose the answer to a COMMIT, or the COMMIT.
    pub(super) fn cut_ways(&self, rng: &mut Rng) {
        for way in &self.ways {
            way.cut_at(b"COMMIT", if rng.bool() { Cut::BeforeClient } else { Cut::BeforeServer });
        }
    }

    /// What every process is told.
    pub(super) fn args(
        &self,
        task: &str,
        redis: &str,
        database: &str,
    ) -> Vec<(&'static str, String)> {
        vec![
            ("role", "crash".to_owned()),
            ("kind", DB::KIND.to_owned()),
            ("task", task.to_owned()),
            ("redis", redis.to_owned()),
            ("database", database.to_owned()),
        ]
    }

    /// What a process that died between its commit and its invalidation leaves, due at once.
    pub(super) async fn leave_row(&mut self, tx: i64, items: &[u32]) {
        let id = RowId::new();
        let event = StoredEvent {
            id: id.to_string(),
            topic: TOPIC.to_owned(),
            key: None,
            payload: tx.to_string(),
            trace: None,
        };
        let keys = items.iter().map(|id| item(*id).as_str().to_owned()).collect();
        let row = OutboxRow { id, namespace: NAMESPACE.to_owned(), keys, events: vec![event] };
        let mut conn = self.pool.begin().await.expect("a transaction");
        rows::bump::<DB>(&mut conn, tx, items).await.expect("the write");
        DB::insert(&mut conn, &row).await.expect("the row");
        conn.commit().await.expect("the commit");
        self.events.push(id.to_string());
    }

    /// Items that are in Redis, by whether that is the database's version.
    pub(super) async fn in_redis(&self) -> InRedis {
        let builder = builder(&self.redis.url(), Duration::from_secs(5)).await;
        let cache = builder.expect("a connection").build().expect("a cache");
        let mut seen = InRedis::default();
        for (id, version) in (0..).zip(self.versions().await) {
            if let Peek::Hit(found) = cache.peek::<i64>(&item(id)).await {
                let items = if found == version { &mut seen.right } else { &mut seen.wrong };
                items.push(id);
            }
        }
        seen
    }

    /// What the database has.
    pub(super) async fn versions(&self) -> Vec<i64> {
        let mut conn = self.pool.acquire().await.expect("a connection");
        let all: Vec<_> = (0..ITEMS).collect();
        rows::versions::<DB>(&mut conn, &all).await.expect("the versions")
    }

    pub(crate) async fn count(&self, rows: &str) -> i64 {
        rows::count(&self.pool, rows).await.expect("a count")
    }

    /// Tells all survivors something.
    pub(super) async fn say(&mut self, word: &str) {
        for survivor in &mut self.survivors {
            survivor.say(word).await;
        }
    }
}
