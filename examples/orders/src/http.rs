//! The service: routes, and two headers that show what the cache did.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cachekit::{Cache, with_status};
use serde::Deserialize;
use sqlx::Pool;

use crate::{
    db::Db,
    shop::{OrderError, Ordered, deliver, order, order_by_version, stock},
};

#[derive(Clone)]
struct Shop {
    cache: Cache,
    db: Pool<Db>,
}

pub fn router(cache: Cache, db: Pool<Db>) -> Router {
    Router::new()
        .route("/items/{id}", get(show))
        .route("/items/{id}/orders", post(locked))
        .route("/items/{id}/orders/by-version", post(by_version))
        .route("/items/{id}/deliveries", post(delivery))
        .with_state(Shop { cache, db })
}

#[derive(Deserialize)]
struct Quantity {
    quantity: u32,
}

type Answer = Result<Response, OrderError>;

async fn show(State(shop): State<Shop>, Path(id): Path<i64>) -> Answer {
    let (left, status) = with_status(stock(&shop.db, id)).await;
    let left = left?.ok_or(OrderError::NoSuchItem)?;
    Ok(([("x-cache", status.as_str())], format!("{left}\n")).into_response())
}

async fn locked(
    State(Shop { cache, db }): State<Shop>,
    Path(id): Path<i64>,
    Json(Quantity { quantity }): Json<Quantity>,
) -> Answer {
    Ok(sold(&order(&cache, &db, id, quantity).await?))
}

async fn by_version(
    State(Shop { cache, db }): State<Shop>,
    Path(id): Path<i64>,
    Json(Quantity { quantity }): Json<Quantity>,
) -> Answer {
    Ok(sold(&order_by_version(&cache, &db, id, quantity).await?))
}

async fn delivery(
    State(shop): State<Shop>,
    Path(id): Path<i64>,
    Json(Quantity { quantity }): Json<Quantity>,
) -> Answer {
    let found = deliver(&shop.db, id, quantity).await?;
    Ok(if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response())
}

fn sold(ordered: &Ordered) -> Response {
    let header = ("x-invalidation", ordered.invalidation.to_string());
    (StatusCode::CREATED, [header], format!("{}\n", ordered.left)).into_response()
}

impl IntoResponse for OrderError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NoSuchItem => StatusCode::NOT_FOUND,
            Self::SoldOut { .. } => StatusCode::CONFLICT,
            Self::Conflict(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(error) => {
                tracing::error!(%error, "the database failed");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        (status, format!("{self}\n")).into_response()
    }
}
