//! Questions about a type that a macro cannot see, answered by which method the compiler picks.
//!
//! Each arm is a trait with one method of the same name, implemented behind a different number of references. The
//! compiler looks at the receiver before it takes references off, so the arm with most of them is tried first, and the
//! call needs **one more `&` than the deepest impl**: with fewer, the fallback wins, silently.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::form::Marker;
use super::shape::{IsOption, IsPlain, IsResult, IsResultOption, Shape};

/// A question about the type `T`.
pub struct Probe<T> {
    marker: Marker<T>,
}

impl<T> Probe<T> {
    /// The question.
    pub const NEW: Self = Probe { marker: PhantomData };
}

impl<T> fmt::Debug for Probe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

// ===== which shape: `(&&&&Probe::<R>::NEW).ck_shape()` =====

/// First: `Result<Option<T>, E>`.
pub trait ViaResultOption {
    /// The return type.
    type Return;
    /// Its value.
    type Value;
    /// Its error.
    type Error;
    /// The shape.
    fn ck_shape(&self) -> Shape<IsResultOption, Self::Return, Self::Value, Self::Error> {
        Shape::NEW
    }
}

impl<T, E> ViaResultOption for &&&Probe<Result<Option<T>, E>> {
    type Return = Result<Option<T>, E>;
    type Value = T;
    type Error = E;
}

/// Second: `Result<T, E>`.
pub trait ViaResult {
    /// The return type.
    type Return;
    /// Its value.
    type Value;
    /// Its error.
    type Error;
    /// The shape.
    fn ck_shape(&self) -> Shape<IsResult, Self::Return, Self::Value, Self::Error> {
        Shape::NEW
    }
}

impl<T, E> ViaResult for &&Probe<Result<T, E>> {
    type Return = Result<T, E>;
    type Value = T;
    type Error = E;
}

/// Third: `Option<T>`.
pub trait ViaOption {
    /// Its value.
    type Value;
    /// The shape.
    fn ck_shape(&self) -> Shape<IsOption, Option<Self::Value>, Self::Value, Infallible> {
        Shape::NEW
    }
}

impl<T> ViaOption for &Probe<Option<T>> {
    type Value = T;
}

/// Last: any type.
pub trait ViaPlain {
    /// Its value: itself.
    type Value;
    /// The shape.
    fn ck_shape(&self) -> Shape<IsPlain, Self::Value, Self::Value, Infallible> {
        Shape::NEW
    }
}

impl<T> ViaPlain for Probe<T> {
    type Value = T;
}

// ===== how it is stored: `(&&shape.value()).ck_stored()` =====

/// A value stored in an `Arc` of ours and cloned out of it.
pub struct Owned<T>(Marker<T>);
/// An `Arc` of the caller's, stored as it is.
pub struct Whole<U>(Marker<U>);

/// First: `Arc<U>`.
pub trait ViaArc {
    /// What the `Arc` holds.
    type Inner;
    /// How it is stored.
    fn ck_stored(&self) -> Whole<Self::Inner> {
        Whole(PhantomData)
    }
}

impl<U> ViaArc for &Probe<Arc<U>> {
    type Inner = U;
}

/// Last: any type.
pub trait ViaOwned {
    /// The type.
    type Value;
    /// How it is stored.
    fn ck_stored(&self) -> Owned<Self::Value> {
        Owned(PhantomData)
    }
}

impl<T> ViaOwned for Probe<T> {
    type Value = T;
}

// ===== whether its error can be shared: `(&&shape.error()).ck_error()` =====

/// An error that those who waited get a clone of.
pub struct Kept<E>(Marker<E>);
/// An error that cannot be cloned.
pub struct Lost<E>(Marker<E>);

/// First: an error that can be cloned and sent.
pub trait ViaKept {
    /// The error.
    type Error;
    /// How it is shared.
    fn ck_error(&self) -> Kept<Self::Error> {
        Kept(PhantomData)
    }
}

impl<E: Clone + Send + Sync + 'static> ViaKept for &Probe<E> {
    type Error = E;
}

/// Last: any error.
pub trait ViaLost {
    /// The error.
    type Error;
    /// How it is shared: not at all.
    fn ck_error(&self) -> Lost<Self::Error> {
        Lost(PhantomData)
    }
}

impl<E> ViaLost for Probe<E> {
    type Error = E;
}

macro_rules! debug_by_name {
    ($($marker:ident)*) => {$(
        impl<T> fmt::Debug for $marker<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($marker))
            }
        }
    )*};
}

debug_by_name!(Owned Whole Kept Lost);

#[cfg(test)]
// The borrows are the question.
#[allow(clippy::needless_borrow)]
#[path = "probe_tests.rs"]
mod tests;
