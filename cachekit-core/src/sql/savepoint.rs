//! A mark inside a transaction, with the keys that were recorded since.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use sqlx::Database;

use super::{Transaction, records::Records};

/// A part of a [`Transaction`] that can be taken back alone.
///
/// It is used as the transaction itself. [Committed](Self::commit), what was recorded in it goes to what it is part of;
/// rolled back or dropped, it is forgotten. A function that takes `&mut Transaction` takes `&mut savepoint` as well.
pub struct Savepoint<'a, DB: Database> {
    tx: Transaction<'a, DB>,
    outer: &'a mut Records,
}

impl<'a, DB: Database> Savepoint<'a, DB> {
    pub(super) fn new(tx: Transaction<'a, DB>, outer: &'a mut Records) -> Self {
        Self { tx, outer }
    }

    /// Keeps what was written and recorded since the mark, so far as the transaction is committed.
    ///
    /// # Errors
    ///
    /// Those of the database. What the savepoint wrote may be part of the transaction then or not, so that one cannot
    /// be committed any more.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the transaction cannot be committed any more, as after an error.
    pub async fn commit(self) -> sqlx::Result<()> {
        let Self { tx: Transaction { inner, records, .. }, outer } = self;
        // Dropped before the answer came, MySQL may keep what was written, without its keys.
        let before = outer.is_in_doubt();
        outer.set_in_doubt(true);
        records.check()?;
        inner.commit().await?;
        outer.set_in_doubt(before);
        outer.append(records);
        Ok(())
    }

    /// Takes back what was written since the mark, and forgets what was recorded.
    ///
    /// # Errors
    ///
    /// Those of the database.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way it is rolled back before the connection is used again.
    pub async fn rollback(self) -> sqlx::Result<()> {
        self.tx.inner.rollback().await
    }
}

impl<'a, DB: Database> Deref for Savepoint<'a, DB> {
    type Target = Transaction<'a, DB>;

    fn deref(&self) -> &Self::Target {
        &self.tx
    }
}

impl<DB: Database> DerefMut for Savepoint<'_, DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.tx
    }
}

impl<DB: Database> fmt::Debug for Savepoint<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savepoint").field("records", &self.tx.records).finish_non_exhaustive()
    }
}
