//! One process of a run, and its ways to the servers.

use std::{path::Path, time::Duration};

use cachekit_test_support::{Proxy, RedisServer, TcpProxy};
use tempfile::TempDir;

use super::setup::Setup;
use crate::{fleet::Worker, host::Hosted};

/// A process, reached over its pipes.
pub(super) struct Member {
    /// Its number; no other process of the run has it.
    pub(super) process: u32,
    pub(super) worker: Worker,
    /// Before its Redis.
    pub(super) redis: Option<Proxy>,
    /// Before its database.
    pub(super) database: Option<TcpProxy>,
}

/// What every member is told.
pub(super) struct Surroundings<'a> {
    pub(super) setup: &'a Setup,
    pub(super) dir: &'a Path,
    pub(super) redis: u16,
    /// The database's URL, and its port if it has one.
    pub(super) database: (String, Option<u16>),
}

impl<'a> Surroundings<'a> {
    pub(super) fn of<DB: Hosted>(
        setup: &'a Setup,
        dir: &'a TempDir,
        redis: &RedisServer,
        server: &DB::Server,
    ) -> Surroundings<'a> {
        let database = (DB::url(server), DB::port(server));
        Surroundings { setup, dir: dir.path(), redis: redis.port(), database }
    }
}

impl Member {
    /// Starts one and lets it begin. The first of all has no proxy before its Redis, each second one
    /// has values of a younger version.
    pub(super) async fn start<DB: Hosted>(around: &Surroundings<'_>, process: u32) -> Member {
        let setup = around.setup;
        let proxied = setup.faults && !process.is_multiple_of(setup.processes);
        let redis = proxied.then(|| Proxy::start(around.redis));
        if let Some(proxy) = &redis {
            proxy.forget();
        }
        let direct = format!("redis://127.0.0.1:{}", around.redis);
        let redis_url = redis.as_ref().map_or(direct, Proxy::url);
        let (url, port) = &around.database;
        let database = port.filter(|_| setup.faults).map(TcpProxy::start);
        let database_url = match (&database, port) {
            (Some(proxy), Some(port)) => url.replace(&port.to_string(), &proxy.port().to_string()),
            _ => url.clone(),
        };
        let args = [
            ("role", "ordeal".to_owned()),
            ("kind", DB::KIND.to_owned()),
            ("subject", setup.subject.to_string()),
            ("redis", redis_url),
            ("database", database_url),
            ("history", around.dir.join(process.to_string()).display().to_string()),
            ("process", process.to_string()),
            ("keys", setup.keys.to_string()),
            ("callers", setup.callers.to_string()),
            ("writes", setup.writes.to_string()),
            ("bound_ms", setup.bound.as_millis().to_string()),
            ("schema", (1 + process % 2).to_string()),
            ("seed", setup.seed.wrapping_add(process.into()).to_string()),
            ("relay", setup.relay.to_string()),
            ("mishaps", setup.faults.to_string()),
        ];
        let mut worker = Worker::start(&args).await;
        worker.go().await;
        Member { process, worker, redis, database }
    }

    /// The numbers behind `word`, which is what it says next.
    pub(super) async fn hears(&mut self, word: &str, limit: Duration) -> Vec<u64> {
        let line = self
            .worker
            .line(limit)
            .await
            .unwrap_or_else(|| panic!("process {} died", self.process));
        let numbers = line.strip_prefix(word).map(str::split_whitespace);
        let numbers = numbers.unwrap_or_else(|| panic!("expected `{word}`, heard `{line}`"));
        numbers.map(|number| number.parse().expect("a number")).collect()
    }
}
