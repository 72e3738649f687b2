//! A transaction inside a handler of axum, which wants futures that can be sent.

use axum::{Router, extract::State, routing::post};
use cachekit::{Status, Transaction, invalidates};
use http::{Request, StatusCode};
use sqlx::Sqlite;
use tower::ServiceExt as _;

use super::database::Bench;
use super::{Items, on_sqlite};

#[invalidates("item:<id>", tx = tx)]
async fn set(tx: &mut Transaction<'_, Sqlite>, id: u64, value: i64) -> sqlx::Result<()> {
    <Sqlite as Items>::set(tx, id, value).await
}

async fn handler(State(bench): State<Bench<Sqlite>>) -> Result<&'static str, StatusCode> {
    let failed = |_: sqlx::Error| StatusCode::INTERNAL_SERVER_ERROR;
    let mut tx = bench.cache.begin(&bench.pool).await.map_err(failed)?;
    set(&mut tx, 1, 7).await.map_err(failed)?;
    let mut savepoint = tx.savepoint().await.map_err(failed)?;
    set(&mut savepoint, 2, 7).await.map_err(failed)?;
    savepoint.commit().await.map_err(failed)?;
    Ok(tx.commit().await.map_err(failed)?.invalidation.as_str())
}

#[tokio::test]
async fn handler_begins_and_commits() {
    on_sqlite(|pool| async move {
        let bench = Bench::new(&pool).await;
        bench.warm(1).await;
        bench.warm(2).await;
        let router = Router::new().route("/", post(handler)).with_state(bench.clone());
        let request = Request::post("/").body(axum::body::Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(bench.read(1).await, (7, Status::Loaded));
        assert_eq!(bench.read(2).await, (7, Status::Loaded));
    })
    .await;
}
