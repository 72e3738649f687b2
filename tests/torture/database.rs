//! The database: one SQLite file for all processes, in WAL mode, a version for each row.

use std::{path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// Rows with a version each, which begins at 0 and grows by 1 with each write.
#[derive(Clone, Debug)]
pub struct Database(SqlitePool);

impl Database {
    /// Creates the file with rows `0..rows`.
    ///
    /// # Errors
    /// When it cannot be created.
    pub async fn create(path: &Path, rows: u32) -> sqlx::Result<Database> {
        let database = Database::connect(path, true).await?;
        let table = "CREATE TABLE item (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)";
        sqlx::query(table).execute(&database.0).await?;
        for id in 0..rows {
            let insert = sqlx::query("INSERT INTO item (id, version) VALUES (?, 0)").bind(id);
            insert.execute(&database.0).await?;
        }
        Ok(database)
    }

    /// Opens the file that another process created.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn open(path: &Path) -> sqlx::Result<Database> {
        Database::connect(path, false).await
    }

    async fn connect(path: &Path, create: bool) -> sqlx::Result<Database> {
        // No power is cut here: what the kernel has is what every process sees.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new().max_connections(16);
        Ok(Database(pool.connect_with(options).await?))
    }

    /// The row's version, in a snapshot that begins now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn version(&self, id: u32) -> sqlx::Result<u64> {
        let select = sqlx::query_scalar::<_, i64>("SELECT version FROM item WHERE id = ?").bind(id);
        Ok(select.fetch_one(&self.0).await?.cast_unsigned())
    }

    /// Commits the row's next version and returns it. Dropped in mid-way it goes on by itself.
    ///
    /// # Errors
    /// When the database fails; then nothing is committed.
    pub async fn bump(&self, id: u32) -> sqlx::Result<u64> {
        let pool = self.0.clone();
        let commit = tokio::spawn(async move {
            let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
            let update = "UPDATE item SET version = version + 1 WHERE id = ? RETURNING version";
            let version = sqlx::query_scalar::<_, i64>(update).bind(id).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            Ok(version.cast_unsigned())
        });
        commit.await.expect("a transaction does not panic")
    }
}
