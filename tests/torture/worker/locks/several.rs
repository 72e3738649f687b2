//! Tasks that take several locks at once, in no order, and look whether somebody else is inside.

use std::{
    collections::BTreeMap,
    error::Error,
    time::{Duration, Instant},
};

use cachekit::{Cache, key};
use fastrand::Rng;
use redis::{AsyncTypedCommands as _, aio::MultiplexedConnection};
use tokio::{task::JoinSet, time};

use crate::{args::Args, parent, subject};

/// Of all waits; a deadlock would last as long.
const WAIT: Duration = Duration::from_secs(20);

struct Task {
    cache: Cache,
    /// Past the cache: who is inside counts himself here.
    redis: MultiplexedConnection,
    keys: u64,
    until: Instant,
    rng: Rng,
}

/// Takes and releases locks for as long as it is told, and tells what came of it.
pub(crate) async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let cache = subject::install(args.text("redis")?).await?;
    let client = redis::Client::open(args.text("redis")?)?;
    let redis = client.get_multiplexed_async_connection().await?;
    let mut seeds = Rng::with_seed(args.get("seed")?);
    parent::ready().await?;
    let until = Instant::now() + Duration::from_secs(args.get("seconds")?);
    let mut tasks = JoinSet::new();
    for _ in 0..args.get::<u64>("tasks")? {
        let (cache, redis, rng) = (cache.clone(), redis.clone(), seeds.fork());
        tasks.spawn(Task { cache, redis, keys: args.get("keys")?, until, rng }.run());
    }
    for told in tasks.join_all().await {
        for (what, times) in told {
            parent::tell(format_args!("{what} {times}"))?;
        }
    }
    cache.shutdown().await?;
    Ok(())
}

impl Task {
    async fn run(mut self) -> BTreeMap<String, u64> {
        let mut told = BTreeMap::from([("held".to_owned(), 0)]);
        while Instant::now() < self.until {
            let what = match self.once().await {
                Ok(true) => "held".to_owned(),
                Ok(false) => "shared".to_owned(),
                Err(error) => format!("{:?}", error.kind()),
            };
            *told.entry(what).or_default() += 1;
        }
        told
    }

    /// `false`: somebody else was inside.
    async fn once(&mut self) -> Result<bool, cachekit::Error> {
        let mut ids: Vec<u64> = (0..self.keys).collect();
        self.rng.shuffle(&mut ids);
        ids.truncate(self.rng.usize(2..=ids.len()));
        let lock = self.cache.lock_all(ids.iter().map(|id| key!("shared:<id>")));
        let guard = lock.lease(Duration::from_secs(3)).wait(WAIT).acquire().await?;
        if self.rng.u8(..10) == 0 {
            // Nobody looks after this one any more.
            return Ok(true);
        }
        let alone = self.inside(&ids).await;
        guard.release().await?;
        Ok(alone)
    }

    async fn inside(&mut self, ids: &[u64]) -> bool {
        let mut alone = true;
        for id in ids {
            let inside = self.redis.incr(format!("inside:{id}"), 1).await;
            alone &= inside.expect("Redis is there") == 1;
        }
        time::sleep(Duration::from_micros(self.rng.u64(..2_000))).await;
        for id in ids {
            self.redis.decr(format!("inside:{id}"), 1).await.expect("Redis is there");
        }
        alone
    }
}
