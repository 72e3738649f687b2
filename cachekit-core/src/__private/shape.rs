//! The four shapes of a return type: `Result<Option<T>, E>`, `Result<T, E>`, `Option<T>`, `T`.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use super::form::Marker;
use super::probe::Probe;

/// A return type `R` of kind `K` that holds a value `T` and perhaps an error `E`; a type only, without data.
pub struct Shape<K, R, T, E> {
    marker: Marker<(K, R, T, E)>,
}

impl<K, R, T, E> Shape<K, R, T, E> {
    pub(super) const NEW: Self = Shape { marker: PhantomData };

    /// Asks after the value's type.
    pub fn value(&self) -> Probe<T> {
        Probe::NEW
    }

    /// Asks after the error's type.
    pub fn error(&self) -> Probe<E> {
        Probe::NEW
    }
}

impl<K, R, T, E> fmt::Debug for Shape<K, R, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<K>())
    }
}

/// A result, looked into.
#[derive(Debug)]
pub enum Opened<'a, T, E> {
    /// A value.
    Value(&'a T),
    /// "Not there".
    Absent,
    /// An error.
    Failed(&'a E),
}

/// How a kind of return type is taken apart and put together.
pub trait ShapeKind<R, T, E> {
    /// Makes "not there", where the kind can say it.
    const ABSENT: Option<fn() -> R>;
    /// Makes a failure, where the kind can say it.
    const FAILED: Option<fn(E) -> R>;
    /// Looks into a result.
    fn open(out: &R) -> Opened<'_, T, E>;
    /// Makes a success.
    fn from_value(value: T) -> R;
}

/// `Result<Option<T>, E>`.
#[derive(Debug)]
pub enum IsResultOption {}
/// `Result<T, E>`.
#[derive(Debug)]
pub enum IsResult {}
/// `Option<T>`.
#[derive(Debug)]
pub enum IsOption {}
/// Every other type.
#[derive(Debug)]
pub enum IsPlain {}

impl<T, E> ShapeKind<Result<Option<T>, E>, T, E> for IsResultOption {
    const ABSENT: Option<fn() -> Result<Option<T>, E>> = Some(|| Ok(None));
    const FAILED: Option<fn(E) -> Result<Option<T>, E>> = Some(Err);

    fn open(out: &Result<Option<T>, E>) -> Opened<'_, T, E> {
        match out {
            Ok(Some(value)) => Opened::Value(value),
            Ok(None) => Opened::Absent,
            Err(error) => Opened::Failed(error),
        }
    }

    fn from_value(value: T) -> Result<Option<T>, E> {
        Ok(Some(value))
    }
}

impl<T, E> ShapeKind<Result<T, E>, T, E> for IsResult {
    const ABSENT: Option<fn() -> Result<T, E>> = None;
    const FAILED: Option<fn(E) -> Result<T, E>> = Some(Err);

    fn open(out: &Result<T, E>) -> Opened<'_, T, E> {
        out.as_ref().map_or_else(Opened::Failed, Opened::Value)
    }

    fn from_value(value: T) -> Result<T, E> {
        Ok(value)
    }
}

impl<T> ShapeKind<Option<T>, T, Infallible> for IsOption {
    const ABSENT: Option<fn() -> Option<T>> = Some(|| None);
    const FAILED: Option<fn(Infallible) -> Option<T>> = None;

    fn open(out: &Option<T>) -> Opened<'_, T, Infallible> {
        out.as_ref().map_or(Opened::Absent, Opened::Value)
    }

    fn from_value(value: T) -> Option<T> {
        Some(value)
    }
}

impl<T> ShapeKind<T, T, Infallible> for IsPlain {
    const ABSENT: Option<fn() -> T> = None;
    const FAILED: Option<fn(Infallible) -> T> = None;

    fn open(out: &T) -> Opened<'_, T, Infallible> {
        Opened::Value(out)
    }

    fn from_value(value: T) -> T {
        value
    }
}

/// Demanded by `negative_ttl`: the function can answer "not there".
#[diagnostic::on_unimplemented(
    message = "`negative_ttl` needs a function that can answer \"not there\"",
    label = "returns neither `Option<T>` nor `Result<Option<T>, E>`"
)]
pub trait CanBeAbsent {}

impl<R, T, E> CanBeAbsent for Shape<IsResultOption, R, T, E> {}
impl<R, T, E> CanBeAbsent for Shape<IsOption, R, T, E> {}

/// Demanded by `bloom`: the function can answer "not there".
#[diagnostic::on_unimplemented(
    message = "`bloom` needs a function that can answer \"not there\"",
    label = "returns neither `Option<T>` nor `Result<Option<T>, E>`"
)]
pub trait CanBeFiltered {}

impl<R, T, E> CanBeFiltered for Shape<IsResultOption, R, T, E> {}
impl<R, T, E> CanBeFiltered for Shape<IsOption, R, T, E> {}

/// Fails to compile where a filter's "absent" could not be said.
pub fn can_be_filtered<S: CanBeFiltered>(_: &S) {}

/// Fails to compile where the shape cannot be absent.
pub fn can_be_absent<S: CanBeAbsent>(_: &S) {}
