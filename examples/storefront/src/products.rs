//! Products in PostgreSQL, with a cache in front: the reads, and the writes that make them stale.

use cachekit::{cached, invalidates};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Result};

/// A product as the shop shows it.
#[derive(Clone, Debug, Serialize, Deserialize, sqlx::FromRow)]
pub struct Product {
    id: i64,
    name: String,
    price_cents: i64,
    stock: i64,
}

/// A product that has no id yet.
#[derive(Debug, Deserialize)]
pub struct NewProduct {
    name: String,
    price_cents: i64,
    stock: i64,
}

// ===== reads =====

/// Ids that nobody issued are asked for as well: their absence is kept for ten seconds.
#[cached(key = "product:<id>", ttl = "10m±1m", negative_ttl = "10s")]
pub async fn find_product(db: &PgPool, id: i64) -> Result<Option<Product>> {
    let select = "SELECT id, name, price_cents, stock FROM products WHERE id = $1";
    sqlx::query_as(select).bind(id).fetch_optional(db).await
}

/// The first hundred by name, from the replica if there is one.
#[cached(key = "catalogue", ttl = "1m±10s")]
pub async fn catalogue(replica: &PgPool) -> Result<Vec<Product>> {
    let select = "SELECT id, name, price_cents, stock FROM products ORDER BY name LIMIT 100";
    sqlx::query_as(select).fetch_all(replica).await
}

// ===== writes =====
//
// `again_after`: right after a write the replica may still answer with the old list, which would
// then be cached. Half a second later, when the replica has caught up, it is dropped once more.

/// Whether there is such a product.
#[invalidates(find_product(id), catalogue(), again_after = "500ms")]
pub async fn set_price(db: &PgPool, id: i64, price_cents: i64) -> Result<bool> {
    let update = "UPDATE products SET price_cents = $2 WHERE id = $1";
    let done = sqlx::query(update).bind(id).bind(price_cents).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

/// Whether so many were left. The database decides, never a cached number.
#[invalidates(find_product(id), catalogue(), again_after = "500ms")]
pub async fn sell(db: &PgPool, id: i64, quantity: i64) -> Result<bool> {
    let update = "UPDATE products SET stock = stock - $2 WHERE id = $1 AND stock >= $2";
    let done = sqlx::query(update).bind(id).bind(quantity).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

/// That the new id is absent may be cached, so an insert invalidates like an update.
#[invalidates(find_product(ret.id), catalogue(), again_after = "500ms")]
pub async fn add_product(db: &PgPool, new: &NewProduct) -> Result<Product> {
    let insert = "INSERT INTO products (name, price_cents, stock) VALUES ($1, $2, $3) \
                  RETURNING id, name, price_cents, stock";
    sqlx::query_as(insert).bind(&new.name).bind(new.price_cents).bind(new.stock).fetch_one(db).await
}
