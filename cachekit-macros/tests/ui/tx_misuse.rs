//! Options that a transaction says otherwise.

use cachekit::{Transaction, invalidates};
use sqlx::Sqlite;

#[invalidates("user:<id>", tx = tx, on_err = "keep", again_after = "1s", cache = cache, best_effort)]
async fn contradictions(tx: &mut Transaction<'_, Sqlite>, cache: &cachekit::Cache, id: i64) -> Result<(), ()> {
    let _ = (tx, cache, id);
    Ok(())
}

#[invalidates("user:<id>")]
async fn two(tx: &mut Transaction<'_, Sqlite>, audit: &mut Transaction<'_, Sqlite>, id: i64) {
    let _ = (tx, audit, id);
}

#[invalidates("user:<ret>")]
async fn result_after_the_commit(tx: Transaction<'static, Sqlite>) -> sqlx::Result<i64> {
    let _ = tx.commit().await?;
    Ok(7)
}

struct Work<'c> {
    tx: Transaction<'c, Sqlite>,
}

impl Work<'_> {
    #[invalidates("user:<ret>", tx = self.tx)]
    async fn result_of_a_method(&mut self) -> sqlx::Result<i64> {
        Ok(7)
    }
}

fn main() {}
