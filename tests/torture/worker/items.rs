//! The functions under test, as a service would write them.

use std::time::Duration;

use cachekit::{cached, invalidates};
use cachekit_torture::database::Database;

/// A loader that dawdles before and after it looks at the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loader<'a> {
    pub(crate) database: &'a Database,
    pub(crate) before: Duration,
    pub(crate) after: Duration,
}

impl Loader<'_> {
    /// The row's version as of one moment between the two pauses.
    pub(crate) async fn load(&self, id: u32) -> sqlx::Result<u64> {
        tokio::time::sleep(self.before).await;
        let version = self.database.version(id).await?;
        tokio::time::sleep(self.after).await;
        Ok(version)
    }
}

#[cached(key = "item:<id>", ttl = "60s")]
pub(crate) async fn version(loader: &Loader<'_>, id: u32) -> sqlx::Result<u64> {
    loader.load(id).await
}

#[invalidates(version(id))]
pub(crate) async fn bump(database: &Database, id: u32) -> sqlx::Result<u64> {
    database.bump(id).await
}

/// For callers that may leave before the transaction is over: it goes on without them, and may commit
/// after the invalidation.
#[invalidates(version(id), again_after = "500ms")]
pub(crate) async fn bump_and_leave(database: &Database, id: u32) -> sqlx::Result<u64> {
    database.bump(id).await
}
