//! What is under test: this library, or plain cache-aside in its place.

use std::{error::Error, time::Duration};

use cachekit::{Cache, CacheBuilder, LocalTier, Outcome, Status, with_receipt, with_status};
use cachekit_torture::{database::Database, history::Source};
use redis::{AsyncTypedCommands as _, aio::MultiplexedConnection};

use crate::{
    args::Args,
    items::{self, Loader},
};

/// Reads and writes rows through a cache.
#[derive(Clone)]
pub(crate) enum Subject {
    /// Attributed functions and an installed cache.
    Cachekit(Cache),
    /// `GET`, and `SETEX` after a miss; `DEL` after a write.
    Plain(MultiplexedConnection),
}

/// Any error of a call: its effect is unknown.
pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// How long plain cache-aside keeps a value, in seconds; the attribute says the same.
const TTL: u64 = 60;

impl Subject {
    pub(crate) async fn new(args: &Args) -> Result<Subject, Box<dyn Error>> {
        let url = args.text("redis")?;
        match args.text("subject")? {
            "cachekit" => Ok(Subject::Cachekit(install(url).await?)),
            "local" => {
                let bound = Duration::from_millis(args.get("bound_ms")?);
                let local = LocalTier::new().staleness(bound);
                let builder = Cache::builder().local(local);
                Ok(Subject::Cachekit(install_as(builder, url).await?))
            }
            "plain" => {
                let client = redis::Client::open(url)?;
                Ok(Subject::Plain(client.get_multiplexed_async_connection().await?))
            }
            other => Err(format!("no such subject: {other}").into()),
        }
    }

    pub(crate) async fn read(&self, loader: &Loader<'_>, id: u32) -> Result<(u64, Source), Failed> {
        match self {
            Subject::Cachekit(_) => {
                let (version, status) = with_status(items::version(loader, id)).await;
                Ok((version?, source(status)))
            }
            Subject::Plain(redis) => {
                let mut redis = redis.clone();
                if let Some(found) = redis.get(name(id)).await? {
                    return Ok((found.parse()?, Source::Cache));
                }
                let version = loader.load(id).await?;
                redis.set_ex(name(id), version, TTL).await?;
                Ok((version, Source::Load))
            }
        }
    }

    /// Writes and says whether the invalidation got through.
    pub(crate) async fn write(
        &self,
        database: &Database,
        id: u32,
        may_leave: bool,
    ) -> Result<(u64, bool), Failed> {
        match self {
            Subject::Cachekit(_) => {
                let (version, receipt) = if may_leave {
                    with_receipt(items::bump_and_leave(database, id)).await
                } else {
                    with_receipt(items::bump(database, id)).await
                };
                Ok((version?, receipt.outcome() == Outcome::Applied))
            }
            Subject::Plain(redis) => {
                let version = database.bump(id).await?;
                redis.clone().del(name(id)).await?;
                Ok((version, true))
            }
        }
    }

    /// Waits until nothing is under way any more.
    pub(crate) async fn finish(self) -> Result<(), cachekit::Error> {
        match self {
            Subject::Cachekit(cache) => cache.shutdown().await,
            Subject::Plain(_) => Ok(()),
        }
    }
}

/// The cache of this process, installed.
pub(crate) async fn install(url: &str) -> Result<Cache, cachekit::Error> {
    install_as(Cache::builder(), url).await
}

async fn install_as(builder: CacheBuilder, url: &str) -> Result<Cache, cachekit::Error> {
    let builder = builder.namespace("torture").shutdown_timeout(Duration::from_secs(30));
    let cache = builder.redis(url).await?.build()?;
    cache.clone().install()?;
    Ok(cache)
}

pub(crate) fn source(status: Status) -> Source {
    match status {
        Status::Hit | Status::Stale => Source::Cache,
        Status::Loaded => Source::Load,
        Status::Joined => Source::Joined,
        _ => Source::Bypass,
    }
}

fn name(id: u32) -> String {
    format!("plain:item:{id}")
}
