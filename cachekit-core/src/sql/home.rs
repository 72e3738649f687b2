//! The database that a transaction belongs to, whatever its kind.

use std::{fmt, pin::Pin};

use sqlx::Pool;

use super::outbox::{Backend, Markers, RowId, Verdict};

/// A database that can be asked what became of a transaction.
pub(super) trait Home: fmt::Debug + Send + Sync {
    fn verdict<'a>(
        &'a self,
        id: RowId,
        namespace: &'a str,
    ) -> Pin<Box<dyn Future<Output = sqlx::Result<Verdict>> + Send + 'a>>;

    /// Nobody can be asked any more.
    fn is_closed(&self) -> bool;

    /// The row has nothing left to be done.
    fn mark(&self, markers: &Markers, id: RowId);
}

impl<DB: Backend> Home for Pool<DB> {
    fn verdict<'a>(
        &'a self,
        id: RowId,
        namespace: &'a str,
    ) -> Pin<Box<dyn Future<Output = sqlx::Result<Verdict>> + Send + 'a>> {
        Box::pin(DB::verdict(self, id, namespace))
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }

    fn mark(&self, markers: &Markers, id: RowId) {
        markers.mark(self, id);
    }
}
