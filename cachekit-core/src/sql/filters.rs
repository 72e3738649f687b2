//! What a transaction adds to Bloom filters: before COMMIT, and after it where that took long.

use std::io;

use sqlx::Database;

use super::{Transaction, records::Records};
use crate::{
    bloom::{Added, Bloom},
    key::{KeyArg, Segment},
};

impl<DB: Database> Transaction<'_, DB> {
    /// Notes an id that this transaction issues. It is [added](Bloom::add) to the filter right before COMMIT is sent, and
    /// [confirmed](Added::confirm) after it.
    ///
    /// Where Redis does not take it, [`commit`](Transaction::commit) is an error and nothing is committed: the row would
    /// be there, and readers told that it is not.
    ///
    #[cfg_attr(feature = "sqlx-sqlite", doc = "```")]
    #[cfg_attr(not(feature = "sqlx-sqlite"), doc = "```ignore")]
    /// use cachekit_core::bloom::Bloom;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    /// # sqlx::query("CREATE TABLE users (id INTEGER PRIMARY KEY)").execute(&pool).await?;
    /// # let cache = cachekit_core::Cache::builder().build()?;
    /// let users: Bloom<i64> = Bloom::builder("users").build(&cache)?;
    /// let mut tx = cache.begin(&pool).await?;
    /// let id: i64 =
    ///     sqlx::query_scalar("INSERT INTO users DEFAULT VALUES RETURNING id").fetch_one(&mut *tx).await?;
    /// tx.bloom_add(&users, id);
    /// # let _ =
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bloom_add<K: Segment + ?Sized>(&mut self, bloom: &Bloom<K>, id: impl KeyArg<K>) {
        self.records.adds.add(bloom.asked(id));
    }
}

pub(super) async fn add(records: &mut Records) -> sqlx::Result<Vec<Added>> {
    let adds = std::mem::take(&mut records.adds);
    // Nothing was committed, and it may work later: as with a database that is away.
    adds.send().await.map_err(|error| sqlx::Error::Io(io::Error::other(error)))
}

/// The commit stands, whatever comes of this.
pub(super) async fn confirm(added: Vec<Added>) {
    for added in added {
        if let Err(error) = added.confirm().await {
            tracing::error!(
                %error,
                "a commit took longer than its bloom filter settles, and its ids could not be added again; if a rebuild \
                 was begun in the meantime, rebuild once more"
            );
        }
    }
}
