//! Ways that keep values in Redis alone.

use std::{error::Error, time::Duration};

use cachekit_torture::{history::Source, ordeal::Subject as Kind};
use redis::{AsyncCommands as _, Script, aio::MultiplexedConnection};
use tokio::time;

use crate::ordeal::Failed;

/// How long a value is kept, in seconds.
const TTL: u64 = 600;

/// How long a lock or a lease is kept, in milliseconds.
const LOCK_MS: u64 = 3_000;

/// Puts the value in place of the lease that names this client.
const FILL: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
                    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end return 0";

/// A client with its connection.
pub(crate) struct Naive {
    kind: Kind,
    redis: MultiplexedConnection,
    /// What a lease of this client says.
    token: String,
}

impl Naive {
    pub(crate) async fn open(kind: Kind, url: &str, process: u32) -> Result<Naive, Box<dyn Error>> {
        let redis = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Naive { kind, redis, token: format!("lease:{process}") })
    }

    pub(crate) async fn read(
        &self,
        id: u32,
        load: impl Future<Output = sqlx::Result<u64>>,
    ) -> Result<(u64, Source), Failed> {
        match self.kind {
            Kind::ClientLease => self.read_leased(id, load).await,
            Kind::WeakReads => self.read_weakly(id, load).await,
            _ => self.read_plainly(id, load).await,
        }
    }

    pub(crate) async fn invalidate(&self, ids: &[u32]) -> Result<(), Failed> {
        for id in ids {
            self.invalidate_one(*id).await?;
        }
        Ok(())
    }

    async fn invalidate_one(&self, id: u32) -> Result<(), Failed> {
        let (mut redis, name) = (self.redis.clone(), name(id));
        match self.kind {
            // The value stays for readers, and whoever comes next loads it anew.
            Kind::WeakReads => {
                let _: i64 = redis.hdel(&name, "until").await?;
                let _: i64 = redis.hset(&name, "owner", "").await?;
                let _: bool = redis.expire(&name, 10).await?;
            }
            _ => {
                let _: i64 = redis.del(&name).await?;
            }
        }
        if let Kind::DoubleDelete(after) = self.kind {
            tokio::spawn(async move {
                time::sleep(Duration::from_millis(after.into())).await;
                let _deleted: redis::RedisResult<i64> = redis.del(&name).await;
            });
        }
        Ok(())
    }

    async fn read_plainly(
        &self,
        id: u32,
        load: impl Future<Output = sqlx::Result<u64>>,
    ) -> Result<(u64, Source), Failed> {
        let (mut redis, name) = (self.redis.clone(), name(id));
        if let Some(found) = redis.get::<_, Option<u64>>(&name).await? {
            return Ok((found, Source::Cache));
        }
        let version = load.await?;
        match self.kind {
            Kind::SetNx => {
                let mut fill = redis::cmd("SET");
                fill.arg(&name).arg(version).arg("NX").arg("EX").arg(TTL);
                let _: Option<String> = fill.query_async(&mut redis).await?;
            }
            _ => redis.set_ex::<_, _, ()>(&name, version, TTL).await?,
        }
        Ok((version, Source::Load))
    }

    /// Whoever leaves its token in the empty place may fill it; the others load for themselves.
    async fn read_leased(
        &self,
        id: u32,
        load: impl Future<Output = sqlx::Result<u64>>,
    ) -> Result<(u64, Source), Failed> {
        let (mut redis, name) = (self.redis.clone(), name(id));
        let mut lease = redis::cmd("SET");
        lease.arg(&name).arg(&self.token).arg("NX").arg("GET").arg("PX").arg(LOCK_MS);
        let found: Option<String> = lease.query_async(&mut redis).await?;
        if let Some(version) = found.and_then(|found| found.parse().ok()) {
            return Ok((version, Source::Cache));
        }
        let version = load.await?;
        let _: i64 = Script::new(FILL)
            .key(&name)
            .arg(&self.token)
            .arg(version)
            .arg(TTL)
            .invoke_async(&mut redis)
            .await?;
        Ok((version, Source::Load))
    }

    /// As rockscache does where consistency is not asked for.
    async fn read_weakly(
        &self,
        id: u32,
        load: impl Future<Output = sqlx::Result<u64>>,
    ) -> Result<(u64, Source), Failed> {
        let (mut redis, name) = (self.redis.clone(), name(id));
        let (value, until): (Option<u64>, Option<String>) =
            redis.hmget(&name, &["value", "until"]).await?;
        if let (Some(value), Some(_)) = (value, &until) {
            return Ok((value, Source::Cache));
        }
        let owner = format!("{}:{}", self.token, fastrand::u64(..));
        let is_mine: bool = redis.hset_nx(&name, "until", &owner).await?;
        if let (false, Some(value)) = (is_mine, value) {
            return Ok((value, Source::Cache));
        }
        let _: i64 = redis.hset(&name, "owner", &owner).await?;
        let version = load.await?;
        let owns: Option<String> = redis.hget(&name, "owner").await?;
        if owns.as_ref() == Some(&owner) {
            let _: i64 = redis.hset(&name, "value", version).await?;
            let _: bool = redis.expire(&name, i64::try_from(TTL)?).await?;
        }
        Ok((version, Source::Load))
    }
}

fn name(id: u32) -> String {
    format!("naive:item:{id}")
}
