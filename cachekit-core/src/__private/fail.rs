//! Functions that can be told of a failure of the cache's own.

use super::{Form, IsResult, IsResultOption, Shape, ShapeKind};
use crate::Error;

/// Demanded by `hard_timeout`: the function can answer that time is up.
#[diagnostic::on_unimplemented(
    message = "`hard_timeout` needs a function that can fail",
    label = "returns no `Result`, so there is nothing to answer when time is up",
    note = "return `Result<_, E>` with an `E: From<cachekit::Error>`, or leave out `hard_timeout`"
)]
pub trait CanTimeOut<R> {
    /// Makes a result of an error of the cache's.
    const FAIL: fn(Error) -> R;
}

#[diagnostic::do_not_recommend]
impl<T, E: TakesError> CanTimeOut<Result<T, E>> for Shape<IsResult, Result<T, E>, T, E> {
    const FAIL: fn(Error) -> Result<T, E> = fail::<IsResult, _, T, E>;
}

#[diagnostic::do_not_recommend]
impl<T, E: TakesError> CanTimeOut<Result<Option<T>, E>>
    for Shape<IsResultOption, Result<Option<T>, E>, T, E>
{
    const FAIL: fn(Error) -> Result<Option<T>, E> = fail::<IsResultOption, _, T, E>;
}

/// An error that an error of the cache's can become.
#[diagnostic::on_unimplemented(
    message = "`hard_timeout` needs an error that `cachekit::Error` can become, and `{Self}` is none",
    label = "what this returns cannot say that time is up",
    note = "implement `From<cachekit::Error>` for `{Self}`; with thiserror, add a variant such as `Cache(#[from] cachekit::Error)`"
)]
pub trait TakesError: From<Error> {}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> TakesError for E {}

/// The same form for a function that is told when time is up.
pub fn can_time_out<K, R, T, E>(_: &Shape<K, R, T, E>, form: Form<R>) -> Form<R>
where
    Shape<K, R, T, E>: CanTimeOut<R>,
{
    Form { fail: Some(<Shape<K, R, T, E> as CanTimeOut<R>>::FAIL), ..form }
}

/// Demanded by `stale_if_error`: there are errors that an old value could be answered for.
#[diagnostic::on_unimplemented(
    message = "`stale_if_error` has no effect on a function that cannot fail",
    label = "returns no `Result`, so it knows no error",
    note = "for a source that is slow, add `soft_timeout`"
)]
pub trait CanErr {}

#[diagnostic::do_not_recommend]
impl<T, E> CanErr for Shape<IsResult, Result<T, E>, T, E> {}
#[diagnostic::do_not_recommend]
impl<T, E> CanErr for Shape<IsResultOption, Result<Option<T>, E>, T, E> {}

/// Fails to compile where the shape has no error.
pub fn can_err<S: CanErr>(_: &S) {}

fn fail<K: ShapeKind<R, T, E>, R, T, E: From<Error>>(error: Error) -> R {
    let failed = K::FAILED.expect("a shape with an error can say so");
    failed(E::from(error))
}
