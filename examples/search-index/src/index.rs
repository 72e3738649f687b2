//! The index: full-text search in SQLite, changed by events in whatever order they come.

use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;

/// What is published of an article: all of it, so that no event depends on another.
#[derive(Debug, Serialize, Deserialize)]
pub struct Article {
    pub id: i64,
    /// Grows with each change.
    pub version: i64,
    /// `None`: it was deleted.
    pub content: Option<Content>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Content {
    pub title: String,
    pub text: String,
}

pub async fn open(url: &str) -> sqlx::Result<SqlitePool> {
    let pool = SqlitePool::connect(url).await?;
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS versions (id INTEGER PRIMARY KEY, version INTEGER NOT NULL);
         CREATE VIRTUAL TABLE IF NOT EXISTS articles USING fts5 (title, text)",
    )
    .execute(&pool)
    .await?;
    Ok(pool)
}

/// Brings the index up to this version of the article; an older one, or the same again, changes nothing.
pub async fn apply(pool: &SqlitePool, article: &Article) -> sqlx::Result<()> {
    let mut tx = pool.begin().await?;
    let newer = sqlx::query(
        "INSERT INTO versions (id, version) VALUES (?, ?) ON CONFLICT (id) DO UPDATE
         SET version = excluded.version WHERE versions.version < excluded.version",
    )
    .bind(article.id)
    .bind(article.version)
    .execute(&mut *tx)
    .await?;
    if newer.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query("DELETE FROM articles WHERE rowid = ?").bind(article.id).execute(&mut *tx).await?;
    if let Some(content) = &article.content {
        sqlx::query("INSERT INTO articles (rowid, title, text) VALUES (?, ?, ?)")
            .bind(article.id)
            .bind(&content.title)
            .bind(&content.text)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

/// The titles of the articles that match, best first.
pub async fn find(pool: &SqlitePool, words: &str) -> sqlx::Result<Vec<String>> {
    let found =
        sqlx::query_scalar("SELECT title FROM articles WHERE articles MATCH ? ORDER BY rank");
    found.bind(words).fetch_all(pool).await
}
