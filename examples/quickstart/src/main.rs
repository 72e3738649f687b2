//! A small web service with a cache in front of its database: `cargo run -p quickstart`.

use std::{error::Error, time::Instant};

use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cachekit::{Cache, cached, invalidates};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqlitePoolOptions, SqliteRow};
use sqlx::{FromRow, Row, SqlitePool};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    id: i64,
    name: String,
}

/// What `#[derive(sqlx::FromRow)]` writes; without it the first build takes half as long.
impl FromRow<'_, SqliteRow> for User {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self { id: row.try_get("id")?, name: row.try_get("name")? })
    }
}

// ===== the database, with a cache in front of it =====

/// Kept for half an hour, give or take five minutes; that there is no such user, for 30 seconds.
#[cached(key = "user:<id>", ttl = "30m±5m", negative_ttl = "30s")]
async fn find_user(db: &SqlitePool, id: i64) -> sqlx::Result<Option<User>> {
    sqlx::query_as("SELECT id, name FROM users WHERE id = ?").bind(id).fetch_optional(db).await
}

/// Once this has returned, no read that starts later is given the old name.
#[invalidates(find_user(id))]
async fn rename_user(db: &SqlitePool, id: i64, name: &str) -> sqlx::Result<bool> {
    let update = sqlx::query("UPDATE users SET name = ? WHERE id = ?").bind(name).bind(id);
    Ok(update.execute(db).await?.rows_affected() > 0)
}

/// The id is known only afterwards, and its absence may be cached: `ret` is what was returned.
#[invalidates(find_user(ret.id))]
async fn create_user(db: &SqlitePool, name: &str) -> sqlx::Result<User> {
    let insert = "INSERT INTO users (name) VALUES (?) RETURNING id, name";
    sqlx::query_as(insert).bind(name).fetch_one(db).await
}

// ===== the service: it does not know that there is a cache =====

async fn show(State(db): State<SqlitePool>, Path(id): Path<i64>) -> Result<Response, Failure> {
    let began = Instant::now();
    // `find_user(..).await?` is all it takes; the status is for the answer's header.
    let (user, status) = cachekit::with_status(find_user(&db, id)).await;
    let headers = [
        (HeaderName::from_static("x-cache"), status.to_string()),
        (HeaderName::from_static("x-elapsed-us"), began.elapsed().as_micros().to_string()),
    ];
    Ok(match user? {
        Some(user) => (headers, Json(user)).into_response(),
        None => (StatusCode::NOT_FOUND, headers, "no such user\n").into_response(),
    })
}

async fn rename(
    State(db): State<SqlitePool>,
    Path(id): Path<i64>,
    name: String,
) -> Result<StatusCode, Failure> {
    let found = rename_user(&db, id, &name).await?;
    Ok(if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}

async fn create(State(db): State<SqlitePool>, name: String) -> Result<impl IntoResponse, Failure> {
    Ok((StatusCode::CREATED, Json(create_user(&db, &name).await?)))
}

struct Failure(sqlx::Error);

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        eprintln!("the database failed: {}", self.0);
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

// ===== start and stop =====

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::builder().max_entries(10_000).build()?;
    cache.clone().install()?;

    let app = Router::new()
        .route("/users", post(create))
        .route("/users/{id}", get(show).put(rename))
        .with_state(database().await?);
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let address = format!("127.0.0.1:{port}");
    let listener = tokio::net::TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; set PORT to another"))?;
    println!(
        "listening on http://{address}; in another terminal try\n\n  \
         curl -i {address}/users/1                  # x-cache: loaded, and from then on: hit\n  \
         curl -i {address}/users/1 -X PUT -d Grace  # a write: the next read shows it\n  \
         curl -i {address}/users/3                  # nobody: that is cached as well\n  \
         curl -i {address}/users -d Barbara         # until somebody takes the id\n\n\
         Ctrl-C stops it."
    );
    axum::serve(listener, app).with_graceful_shutdown(interrupted()).await?;
    cache.shutdown().await?;
    println!("stopped");
    Ok(())
}

/// A database in memory with two users; it lives as long as its one connection.
async fn database() -> sqlx::Result<SqlitePool> {
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let db = pool.connect("sqlite::memory:").await?;
    sqlx::query("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        .execute(&db)
        .await?;
    create_user(&db, "Ada").await?;
    create_user(&db, "Alan").await?;
    Ok(db)
}

async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("cannot listen for Ctrl-C: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[cachekit::isolated]
    async fn a_renamed_user_is_found_by_the_new_name() -> sqlx::Result<()> {
        let db = database().await?;
        let name = async || find_user(&db, 1).await.map(|user| user.map(|user| user.name));
        assert_eq!(name().await?.as_deref(), Some("Ada"));
        rename_user(&db, 1, "Grace").await?;
        assert_eq!(name().await?.as_deref(), Some("Grace"));
        Ok(())
    }

    #[tokio::test]
    #[cachekit::isolated]
    async fn a_user_who_was_not_there_is_found_once_created() -> sqlx::Result<()> {
        let db = database().await?;
        assert!(find_user(&db, 3).await?.is_none());
        assert_eq!(create_user(&db, "Barbara").await?.id, 3);
        assert!(find_user(&db, 3).await?.is_some());
        Ok(())
    }
}
