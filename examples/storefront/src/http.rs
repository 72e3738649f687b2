//! The service: routes, and two headers that show what the cache did.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use cachekit::{Outcome, Receipt, Status, with_receipt, with_status};
use serde::Deserialize;
use sqlx::PgPool;

use crate::products::{NewProduct, add_product, catalogue, find_product, sell, set_price};

/// Where products are written, and where lists of them are read.
#[derive(Clone)]
struct Databases {
    primary: PgPool,
    replica: PgPool,
}

pub fn router(primary: PgPool, replica: PgPool) -> Router {
    Router::new()
        .route("/products", get(list).post(add))
        .route("/products/{id}", get(show))
        .route("/products/{id}/price", put(price))
        .route("/products/{id}/sales", post(sale))
        .with_state(Databases { primary, replica })
}

type Answer = Result<Response, Failure>;

async fn list(State(db): State<Databases>) -> Answer {
    let (products, status) = with_status(catalogue(&db.replica)).await;
    Ok((read(status), Json(products?)).into_response())
}

async fn show(State(db): State<Databases>, Path(id): Path<i64>) -> Answer {
    let (product, status) = with_status(find_product(&db.primary, id)).await;
    Ok(match product? {
        Some(product) => (read(status), Json(product)).into_response(),
        None => (StatusCode::NOT_FOUND, read(status)).into_response(),
    })
}

async fn add(State(db): State<Databases>, Json(new): Json<NewProduct>) -> Answer {
    let (product, receipt) = with_receipt(add_product(&db.primary, &new)).await;
    Ok((StatusCode::CREATED, written(&receipt), Json(product?)).into_response())
}

#[derive(Deserialize)]
struct Price {
    price_cents: i64,
}

async fn price(
    State(db): State<Databases>,
    Path(id): Path<i64>,
    Json(Price { price_cents }): Json<Price>,
) -> Answer {
    let (found, receipt) = with_receipt(set_price(&db.primary, id, price_cents)).await;
    let status = if found? { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND };
    Ok((status, written(&receipt)).into_response())
}

#[derive(Deserialize)]
struct Sale {
    quantity: u32,
}

async fn sale(
    State(db): State<Databases>,
    Path(id): Path<i64>,
    Json(Sale { quantity }): Json<Sale>,
) -> Answer {
    let (sold, receipt) = with_receipt(sell(&db.primary, id, quantity.into())).await;
    let status = if sold? { StatusCode::NO_CONTENT } else { StatusCode::CONFLICT };
    Ok((status, written(&receipt)).into_response())
}

fn read(status: Status) -> [(&'static str, &'static str); 1] {
    [("x-cache", status.as_str())]
}

/// `pending`: Redis could not be reached, so other processes may show the old entry until it can.
fn written(receipt: &Receipt) -> [(&'static str, &'static str); 1] {
    let outcome = match receipt.outcome() {
        Outcome::Applied => "applied",
        _ => "pending",
    };
    [("x-invalidation", outcome)]
}

struct Failure(sqlx::Error);

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        // A value that a CHECK refuses is the caller's mistake, everything else ours.
        if self.0.as_database_error().is_some_and(|error| error.is_check_violation()) {
            return StatusCode::UNPROCESSABLE_ENTITY.into_response();
        }
        tracing::error!(error = %self.0, "the database failed");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
