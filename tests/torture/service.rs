//! A service as every process of a crash test runs it: a database, a cache before it, transactions that invalidate.

use std::time::Duration;

use cachekit::{
    Cache, CacheBuilder, Committed, Key, Policy, RedisOptions, Ttl, key, outbox::Relay,
};
use sqlx::Pool;

use crate::rows::{self, Rows};

/// The namespace of all these caches.
pub const NAMESPACE: &str = "crash";

/// The namespace of the caches in an ordeal.
pub const ORDEAL: &str = "ordeal";

/// How long a row stays with a relay that died.
pub const LEASE: Duration = Duration::from_secs(1);

/// Long enough that nothing stale ends by itself.
const POLICY: Policy = Policy::from_parts(Ttl::from_millis(3_600_000, 0), None);

/// Reads and writes items.
#[derive(Debug)]
pub struct Service<DB: Rows> {
    /// The cache.
    pub cache: Cache,
    /// The database.
    pub pool: Pool<DB>,
}

/// `item:<id>`.
#[must_use]
pub fn item(id: u32) -> Key {
    key!("item:<id>")
}

/// A builder for the Redis at `redis`.
///
/// # Errors
/// When the URL or the server is unsuitable.
pub async fn builder(redis: &str, response: Duration) -> Result<CacheBuilder, cachekit::Error> {
    let options = RedisOptions::new().response_timeout(response);
    Cache::builder().namespace(NAMESPACE).redis_options(options).redis(redis).await
}

impl<DB: Rows> Service<DB> {
    /// The item's version, from the cache if it is there.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn read(&self, id: u32) -> sqlx::Result<i64> {
        let load = async || {
            let mut conn = self.pool.acquire().await?;
            let found = rows::versions::<DB>(&mut conn, &[id]).await?;
            found.first().copied().ok_or(sqlx::Error::RowNotFound)
        };
        self.cache.get_or_load(item(id), &POLICY, load).await
    }

    /// Gives the items their next version, which it returns.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn write(&self, tx: i64, items: &[u32]) -> sqlx::Result<(Vec<i64>, Committed)> {
        self.write_held(tx, items, None).await
    }

    /// As [`write`](Self::write); calls `hook` before COMMIT is carried out, where the database can do that.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn write_held(
        &self,
        id: i64,
        items: &[u32],
        hook: Option<fn()>,
    ) -> sqlx::Result<(Vec<i64>, Committed)> {
        let mut tx = self.cache.begin(&self.pool).await?;
        let versions = rows::bump::<DB>(&mut tx, id, items).await?;
        tx.invalidate_many(items.iter().copied().map(item));
        if let Some(hook) = hook {
            DB::before_commit(&mut tx, hook).await?;
        }
        Ok((versions, tx.commit().await?))
    }

    /// A relay that frees its rows soon after its death, and keeps all that are done.
    pub fn relay(&self) -> Relay<DB> {
        let relay = Relay::new(&self.cache, &self.pool).claim_lease(LEASE);
        relay.retention(Duration::from_secs(24 * 3600))
    }
}
