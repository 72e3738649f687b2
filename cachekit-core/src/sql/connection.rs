//! Whether a connection is inside a transaction.

/// A connection that can say whether a transaction is open on it.
///
/// A cached read asks every `&mut` argument, and in a transaction runs its body only: what it reads there may be rolled
/// back, and must not be published. Implemented for the connections and transactions of sqlx (features `sqlx-postgres`,
/// `sqlx-mysql`, `sqlx-sqlite`); implement it for a wrapper of your own.
///
/// A transaction begun by raw `BEGIN` text is invisible to sqlx, and so to cachekit.
///
/// ```
/// use cachekit_core::InTransaction;
///
/// struct UnitOfWork {
///     depth: u32,
/// }
///
/// impl InTransaction for UnitOfWork {
///     fn in_transaction(&self) -> bool {
///         self.depth > 0
///     }
/// }
///
/// assert!(UnitOfWork { depth: 1 }.in_transaction());
/// ```
pub trait InTransaction {
    /// Whether a transaction is open.
    fn in_transaction(&self) -> bool;
}

impl<C: InTransaction + ?Sized> InTransaction for &mut C {
    fn in_transaction(&self) -> bool {
        (**self).in_transaction()
    }
}

impl<C: InTransaction + ?Sized> InTransaction for Box<C> {
    fn in_transaction(&self) -> bool {
        (**self).in_transaction()
    }
}

#[cfg(feature = "_sqlx")]
mod sqlx_impls {
    use sqlx::pool::PoolConnection;
    use sqlx::{Connection, Database, Transaction};

    use super::InTransaction;
    use crate::sql;

    impl<DB: Database> InTransaction for sql::Transaction<'_, DB> {
        fn in_transaction(&self) -> bool {
            true
        }
    }

    impl<DB: Database> InTransaction for sql::Savepoint<'_, DB> {
        fn in_transaction(&self) -> bool {
            true
        }
    }

    impl<DB: Database> InTransaction for Transaction<'_, DB> {
        fn in_transaction(&self) -> bool {
            true
        }
    }

    impl<DB: Database> InTransaction for PoolConnection<DB> {
        fn in_transaction(&self) -> bool {
            (**self).is_in_transaction()
        }
    }

    #[cfg(feature = "sqlx-postgres")]
    impl InTransaction for sqlx::PgConnection {
        fn in_transaction(&self) -> bool {
            self.is_in_transaction()
        }
    }

    #[cfg(feature = "sqlx-mysql")]
    impl InTransaction for sqlx::MySqlConnection {
        fn in_transaction(&self) -> bool {
            self.is_in_transaction()
        }
    }

    #[cfg(feature = "sqlx-sqlite")]
    impl InTransaction for sqlx::SqliteConnection {
        fn in_transaction(&self) -> bool {
            self.is_in_transaction()
        }
    }
}
