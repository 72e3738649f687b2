//! Stock and orders: one cached read, and two ways to order, neither of which sells what is not there.

use std::{error, fmt, time::Duration};

use cachekit::{
    Conflict, IsConflict, Outcome, Transaction, cached, expect_updated, invalidates,
    retry::RetryPolicy, retry_on_conflict,
};
use sqlx::Pool;

use super::db::{self, Db};

/// What became of an order.
#[derive(Debug)]
pub struct Ordered {
    /// How many are left. No read that begins from now on shows more, unless there was a delivery.
    pub left: i64,
    /// Whether that is so in every process already, or in this one only.
    pub invalidation: Outcome,
}

/// How many are left, as it is shown. Who orders reads the database.
#[cached(key = "stock:<item>", ttl = "10m±1m", negative_ttl = "10s")]
pub async fn stock(db: &Pool<Db>, item: i64) -> sqlx::Result<Option<i64>> {
    let row: Option<(i64, i64)> = sqlx::query_as(db::READ).bind(item).fetch_optional(db).await?;
    Ok(row.map(|(stock, _)| stock))
}

// ===== first way: lock the row =====

/// Orders one after the other: who reads the stock has it locked until the commit.
pub async fn order(
    cache: &cachekit::Cache,
    db: &Pool<Db>,
    item: i64,
    quantity: u32,
) -> Result<Ordered, OrderError> {
    let mut tx = db::begin(cache, db).await?;
    // An error drops the transaction, and with it all that was written and recorded.
    let left = take(&mut tx, item, quantity.into()).await?;
    let committed = tx.commit().await?;
    Ok(Ordered { left, invalidation: committed.invalidation })
}

/// The key goes into the outbox with the order, and is invalidated when `tx` commits.
#[invalidates(stock(item), tx = tx)]
async fn take(tx: &mut Transaction<'_, Db>, item: i64, quantity: i64) -> Result<i64, OrderError> {
    let found = sqlx::query_scalar(db::LOCK).bind(item).fetch_optional(&mut **tx).await?;
    let left = enough(found, quantity)?;
    sqlx::query(db::CHANGE).bind(-quantity).bind(item).execute(&mut **tx).await?;
    sqlx::query(db::ORDER).bind(item).bind(quantity).execute(&mut **tx).await?;
    Ok(left)
}

// ===== second way: a version =====

/// A pause is short beside an order, and there are more attempts than buyers in a hurry.
const PATIENT: RetryPolicy = RetryPolicy::new()
    .max_attempts(200)
    .base(Duration::from_millis(5))
    .cap(Duration::from_millis(200));

/// Locks nothing while it thinks, and begins anew if somebody else was faster. For rows that few order at a time.
pub async fn order_by_version(
    cache: &cachekit::Cache,
    db: &Pool<Db>,
    item: i64,
    quantity: u32,
) -> Result<Ordered, OrderError> {
    retry_on_conflict(&PATIENT, || async {
        let row = sqlx::query_as(db::READ).bind(item).fetch_optional(db).await?;
        let (found, version): (i64, i64) = row.ok_or(OrderError::NoSuchItem)?;
        let left = enough(Some(found), quantity.into())?;
        let mut tx = cache.begin(db).await?;
        take_version(&mut tx, item, quantity.into(), version).await?;
        let committed = tx.commit().await?;
        Ok(Ordered { left, invalidation: committed.invalidation })
    })
    .await
}

#[invalidates(stock(item), tx = tx)]
async fn take_version(
    tx: &mut Transaction<'_, Db>,
    item: i64,
    quantity: i64,
    version: i64,
) -> Result<(), OrderError> {
    let change = sqlx::query(db::CHANGE_VERSION).bind(-quantity).bind(item).bind(version);
    expect_updated(&change.execute(&mut **tx).await?)?;
    sqlx::query(db::ORDER).bind(item).bind(quantity).execute(&mut **tx).await?;
    Ok(())
}

// ===== deliveries =====

/// One statement, which commits by itself: no transaction, and no row in the outbox.
#[invalidates(stock(item))]
pub async fn deliver(db: &Pool<Db>, item: i64, quantity: u32) -> sqlx::Result<bool> {
    let change = sqlx::query(db::CHANGE).bind(i64::from(quantity)).bind(item);
    Ok(change.execute(db).await?.rows_affected() > 0)
}

// ===== what can go wrong =====

/// What would be left.
fn enough(found: Option<i64>, quantity: i64) -> Result<i64, OrderError> {
    let left = found.ok_or(OrderError::NoSuchItem)?;
    if left < quantity { Err(OrderError::SoldOut { left }) } else { Ok(left - quantity) }
}

#[derive(Debug)]
pub enum OrderError {
    NoSuchItem,
    SoldOut { left: i64 },
    Conflict(Conflict),
    Database(sqlx::Error),
}

impl IsConflict for OrderError {
    fn is_conflict(&self) -> bool {
        match self {
            Self::Conflict(_) => true,
            Self::Database(error) => error.is_conflict(), // a deadlock, say
            Self::NoSuchItem | Self::SoldOut { .. } => false,
        }
    }
}

impl From<Conflict> for OrderError {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<sqlx::Error> for OrderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchItem => f.write_str("there is no such item"),
            Self::SoldOut { left } => write!(f, "only {left} are left"),
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl error::Error for OrderError {}
