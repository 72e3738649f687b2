//! Users and orders in the database: nothing here knows that there is a cache.

use std::time::Duration;

use cachekit::bloom::Bloom;
use serde::Serialize;
use sqlx::{FromRow, SqlitePool};

/// What handlers need.
#[derive(Clone)]
pub struct Shop {
    pub db: SqlitePool,
    /// All ids that were ever given to users.
    pub users: Bloom<i64>,
    /// How long reading a user or paying an order takes.
    pub takes: Duration,
}

#[derive(Serialize, FromRow)]
pub struct User {
    pub id: i64,
    pub name: String,
}

/// What became of a payment.
pub enum Payment {
    Done,
    /// There is no such order, or it is paid.
    Nothing,
    /// A later holder of the lock has written already.
    TooLate,
}

impl Shop {
    pub async fn user(&self, id: i64) -> sqlx::Result<Option<User>> {
        tokio::time::sleep(self.takes).await;
        let select = sqlx::query_as("SELECT id, name FROM users WHERE id = ?").bind(id);
        select.fetch_optional(&self.db).await
    }

    /// Whose token it is.
    pub async fn whose(&self, token: &str) -> sqlx::Result<Option<i64>> {
        let select = sqlx::query_scalar("SELECT id FROM users WHERE token = ?").bind(token);
        select.fetch_optional(&self.db).await
    }

    pub async fn rename(&self, id: i64, name: &str) -> sqlx::Result<bool> {
        let update = sqlx::query("UPDATE users SET name = ? WHERE id = ?").bind(name).bind(id);
        Ok(update.execute(&self.db).await?.rows_affected() > 0)
    }

    /// The id is in the filter before anybody can ask for it.
    pub async fn create(&self, name: &str) -> Result<User, Box<dyn std::error::Error>> {
        let mut tx = self.db.begin().await?;
        let insert = sqlx::query_as("INSERT INTO users (name) VALUES (?) RETURNING id, name");
        let user: User = insert.bind(name).fetch_one(&mut *tx).await?;
        let added = self.users.add(user.id).await?;
        tx.commit().await?;
        added.confirm().await?;
        Ok(user)
    }

    /// Pays an order, unless somebody has written under a later lock than that of number `fence`.
    pub async fn pay(&self, id: i64, fence: u64) -> sqlx::Result<Payment> {
        tokio::time::sleep(self.takes).await; // whoever moves the money
        let fence = fence.cast_signed();
        let update =
            "UPDATE orders SET paid = 1, fence = ?1 WHERE id = ?2 AND NOT paid AND fence <= ?1";
        let update = sqlx::query(update).bind(fence).bind(id).execute(&self.db).await?;
        if update.rows_affected() > 0 {
            return Ok(Payment::Done);
        }
        let later = sqlx::query_scalar("SELECT fence > ? FROM orders WHERE id = ?");
        let later: Option<bool> = later.bind(fence).bind(id).fetch_optional(&self.db).await?;
        Ok(if later == Some(true) { Payment::TooLate } else { Payment::Nothing })
    }
}
