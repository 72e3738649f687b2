//! Rows that are given up.

use crate::sql::outbox::RowId;

/// A row that a relay has given up: what it says was not invalidated, or not published.
///
/// It stays in the table until it is [sent again](super::redrive); entries of its keys may be served until they expire.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadRow {
    /// The row.
    pub id: RowId,
    /// How often it was tried.
    pub attempts: u32,
    /// What was wrong in the end, without keys and contents.
    pub error: String,
}
