//! Users and orders in the database: nothing here knows that there is a cache.

use std::time::Duration;

use sqlx::{FromRow, SqlitePool};

/// What handlers need.
#[derive(Clone)]
pub struct Shop {
    pub db: SqlitePool,
    /// How long reading a user, paying an order or adding up takes.
    pub takes: Duration,
}

#[derive(FromRow)]
pub struct User {
    pub id: i64,
    pub name: String,
}

impl Shop {
    pub async fn user(&self, id: i64) -> sqlx::Result<Option<User>> {
        tokio::time::sleep(self.takes).await;
        let select = sqlx::query_as("SELECT id, name FROM users WHERE id = ?").bind(id);
        select.fetch_optional(&self.db).await
    }

    /// Whose token it is: in a real service, signed by somebody who knows.
    pub fn whose(token: &str) -> Option<i64> {
        match token {
            "ada-token" => Some(1),
            "alan-token" => Some(2),
            _ => None,
        }
    }

    pub async fn rename(&self, id: i64, name: &str) -> sqlx::Result<Option<User>> {
        let update = "UPDATE users SET name = ? WHERE id = ? RETURNING id, name";
        sqlx::query_as(update).bind(name).bind(id).fetch_optional(&self.db).await
    }

    /// Pays an order, unless it is paid or somebody has written under a later lock than that of number `fence`.
    pub async fn pay(&self, id: i64, fence: u64) -> sqlx::Result<Option<i64>> {
        tokio::time::sleep(self.takes).await; // whoever moves the money
        let update = "UPDATE orders SET paid = 1, fence = ?1
            WHERE id = ?2 AND NOT paid AND fence <= ?1 RETURNING cents";
        let update = sqlx::query_scalar(update).bind(fence.cast_signed()).bind(id);
        update.fetch_optional(&self.db).await
    }

    /// How many orders there are of so much or more, and what they come to.
    pub async fn sales(&self, from_cents: i64) -> sqlx::Result<(i64, i64)> {
        tokio::time::sleep(self.takes).await;
        let select = "SELECT count(*), coalesce(sum(cents), 0) FROM orders WHERE cents >= ?";
        sqlx::query_as(select).bind(from_cents).fetch_one(&self.db).await
    }
}
