//! Whether an argument is a connection inside an open transaction.

use std::fmt;
use std::marker::PhantomData;

use crate::sql::InTransaction;

/// A question about a connection: `(&&&TxProbe(&*db)).ck_in_tx()`.
pub struct TxProbe<'a, C: ?Sized>(pub &'a C);

impl<C: ?Sized> fmt::Debug for TxProbe<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TxProbe")
    }
}

/// First: a type that says so itself.
pub trait ViaInTransaction {
    /// Whether a transaction is open.
    fn ck_in_tx(&self) -> bool;
}

impl<C: InTransaction + ?Sized> ViaInTransaction for &&TxProbe<'_, C> {
    fn ck_in_tx(&self) -> bool {
        self.0.in_transaction()
    }
}

/// Second: any connection of sqlx, `C: Connection` of a generic function among them.
pub trait ViaConnection {
    /// Whether a transaction is open.
    fn ck_in_tx(&self) -> bool;
}

#[cfg(feature = "_sqlx")]
impl<C: sqlx::Connection> ViaConnection for &TxProbe<'_, C> {
    fn ck_in_tx(&self) -> bool {
        self.0.is_in_transaction()
    }
}

/// Last: a type that says nothing.
pub trait ViaSilent {
    /// The type.
    type Silent: ?Sized;
    /// No answer.
    fn ck_in_tx(&self) -> Silent<Self::Silent> {
        Silent(PhantomData)
    }
}

impl<C: ?Sized> ViaSilent for TxProbe<'_, C> {
    type Silent = C;
}

/// The answer of a type that knows nothing of transactions.
pub struct Silent<C: ?Sized>(PhantomData<fn(&C)>);

impl<C: ?Sized> fmt::Debug for Silent<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Silent")
    }
}

/// An answer to the question, or none.
pub trait TxAnswer {
    /// Whether a transaction is known to be open.
    fn is_open(&self) -> bool;
}

impl TxAnswer for bool {
    fn is_open(&self) -> bool {
        *self
    }
}

impl<C: ?Sized> TxAnswer for Silent<C> {
    fn is_open(&self) -> bool {
        false
    }
}

/// An answer that is not silence.
#[diagnostic::on_unimplemented(
    message = "`{C}` does not say whether it is inside a transaction, whose rows must not be published",
    label = "a read through this would be cached even in a transaction",
    note = "turn on cachekit's `sqlx-…` feature of your database, implement `cachekit::InTransaction`, or promise `outside_tx`"
)]
pub trait TxKnown<C: ?Sized>: TxAnswer {}

impl<C: ?Sized> TxKnown<C> for bool {}

/// The answer, silence being "no".
pub fn in_tx(answer: &impl TxAnswer) -> bool {
    answer.is_open()
}

/// The answer of a type that is a connection by its name, where silence is a compile error.
pub fn known_in_tx<C: ?Sized, A: TxKnown<C>>(_: &C, answer: &A) -> bool {
    answer.is_open()
}
