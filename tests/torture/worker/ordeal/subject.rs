//! What is under test: this library, or a textbook's way in its place.

use std::{error::Error, time::Duration};

use cachekit::{
    Cache, LocalTier, Outcome, Policy, RedisOptions, Ttl,
    outbox::{Relay, RelayHandle},
    with_status,
};
use cachekit_torture::{
    history::Source,
    ordeal::Subject as Kind,
    rows::{self, Rows},
    service::{LEASE, ORDEAL, item},
};
use serde::{Deserialize, Serialize};
use sqlx::Pool;

use super::loader::Loader;
use crate::{
    args::Args,
    naive::{Flights, LocalTier as NaiveTier, Naive},
    subject::source,
};

/// Long enough that nothing stale ends by itself.
const POLICY: Policy = Policy::from_parts(Ttl::from_millis(600_000, 0), None);

/// Any error of a call: its effect is unknown.
pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// An item, as the older version of the service keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Item {
    version: u64,
}

/// An item, as the younger version of the service keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct NamedItem {
    name: String,
    version: u64,
}

/// Reads and writes items.
pub(crate) enum Subject<DB: Rows> {
    Ours(Ours<DB>),
    Tier(Ours<DB>, NaiveTier),
    Flights(Ours<DB>, Flights),
    Naive(Naive),
}

/// This library.
pub(crate) struct Ours<DB: Rows> {
    cache: Cache,
    pool: Pool<DB>,
    is_younger: bool,
}

impl<DB: Rows> Subject<DB> {
    pub(super) async fn open(
        kind: Kind,
        args: &Args,
        pool: Pool<DB>,
    ) -> Result<Subject<DB>, Box<dyn Error>> {
        let redis = args.text("redis")?;
        Ok(match kind {
            Kind::Lease | Kind::Local => Subject::Ours(Ours::open(kind, args, pool).await?),
            Kind::PubSubTier => {
                Subject::Tier(Ours::open(kind, args, pool).await?, NaiveTier::open(redis).await?)
            }
            Kind::NaiveFlight => {
                Subject::Flights(Ours::open(kind, args, pool).await?, Flights::default())
            }
            kind => Subject::Naive(Naive::open(kind, redis, args.get("process")?).await?),
        })
    }

    pub(super) async fn read(&self, loader: &Loader<DB>, id: u32) -> Result<(u64, Source), Failed> {
        match self {
            Subject::Ours(ours) => ours.read(loader, id).await,
            Subject::Tier(ours, tier) => tier.read(id, ours.read(loader, id)).await,
            Subject::Flights(ours, flights) => flights.read(id, ours.read(loader, id)).await,
            Subject::Naive(naive) => naive.read(id, loader.load(id)).await,
        }
    }

    /// Writes, and says whether the invalidation got through.
    pub(super) async fn write(
        &self,
        pool: &Pool<DB>,
        ids: &[u32],
    ) -> Result<(Vec<i64>, bool), Failed> {
        match self {
            Subject::Ours(ours) | Subject::Flights(ours, _) => ours.write(ids).await,
            Subject::Tier(ours, tier) => {
                let written = ours.write(ids).await?;
                tier.invalidate(ids).await?;
                Ok(written)
            }
            Subject::Naive(naive) => {
                let mut tx = pool.begin().await?;
                let versions = rows::raise::<DB>(&mut tx, ids).await?;
                tx.commit().await?;
                naive.invalidate(ids).await?;
                Ok((versions, true))
            }
        }
    }

    /// Applies what others left behind; only this library has that.
    pub(super) fn relay(&self) -> Option<RelayHandle<DB>> {
        let Subject::Ours(ours) = self else { return None };
        let relay = Relay::new(&ours.cache, &ours.pool).claim_lease(LEASE);
        Some(relay.start())
    }

    pub(super) async fn end(&self) -> Result<(), cachekit::Error> {
        match self {
            Subject::Ours(ours) | Subject::Tier(ours, _) | Subject::Flights(ours, _) => {
                ours.cache.shutdown().await
            }
            Subject::Naive(_) => Ok(()),
        }
    }
}

impl<DB: Rows> Ours<DB> {
    async fn open(kind: Kind, args: &Args, pool: Pool<DB>) -> Result<Ours<DB>, Box<dyn Error>> {
        let mut builder = Cache::builder().namespace(ORDEAL);
        if kind == Kind::Local {
            let bound = Duration::from_millis(args.get("bound_ms")?);
            builder = builder.local(LocalTier::new().staleness(bound));
        }
        let builder = builder.shutdown_timeout(Duration::from_secs(30));
        let builder = builder.redis_options(RedisOptions::new()).redis(args.text("redis")?).await?;
        Ok(Ours { cache: builder.build()?, pool, is_younger: args.get::<u8>("schema")? == 2 })
    }

    async fn read(&self, loader: &Loader<DB>, id: u32) -> Result<(u64, Source), Failed> {
        let (version, status) = if self.is_younger {
            let load = async || {
                let version = loader.load(id).await?;
                Ok::<_, sqlx::Error>(NamedItem { name: format!("item {id}"), version })
            };
            let (read, status) = with_status(self.cache.get_or_load(item(id), &POLICY, load)).await;
            (read?.version, status)
        } else {
            let load = async || Ok::<_, sqlx::Error>(Item { version: loader.load(id).await? });
            let (read, status) = with_status(self.cache.get_or_load(item(id), &POLICY, load)).await;
            (read?.version, status)
        };
        Ok((version, source(status)))
    }

    async fn write(&self, ids: &[u32]) -> Result<(Vec<i64>, bool), Failed> {
        let mut tx = self.cache.begin(&self.pool).await?;
        let versions = rows::raise::<DB>(&mut tx, ids).await?;
        tx.invalidate_many(ids.iter().copied().map(item));
        let committed = tx.commit().await?;
        Ok((versions, committed.invalidation == Outcome::Applied))
    }
}
