//! Functions that can be told of a failure of the cache's own.

use std::convert::Infallible;

use super::{Form, IsResult, IsResultOption, Shape, ShapeKind};
use crate::Error;

/// Demanded by `hard_timeout`: the function can answer that time is up.
#[diagnostic::on_unimplemented(
    message = "`hard_timeout` needs a function that can fail",
    label = "returns no `Result`, so there is nothing to answer when time is up",
    note = "return `Result<_, E>` with an `E: From<cachekit::Error>`, or leave out `hard_timeout`"
)]
pub trait CanTimeOut {}

#[diagnostic::do_not_recommend]
impl<T, E> CanTimeOut for Shape<IsResult, Result<T, E>, T, E> {}
#[diagnostic::do_not_recommend]
impl<T, E> CanTimeOut for Shape<IsResultOption, Result<Option<T>, E>, T, E> {}

/// An error that an error of the cache's can become.
#[diagnostic::on_unimplemented(
    message = "`hard_timeout` needs an error that `cachekit::Error` can become, and `{Self}` is none",
    label = "what this returns cannot say that time is up",
    note = "implement `From<cachekit::Error>` for `{Self}`; with thiserror, add a variant such as `Cache(#[from] cachekit::Error)`"
)]
pub trait TakesError: Sized {
    /// The same as an error of this type, if there can be one.
    fn take(error: Error) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> TakesError for E {
    fn take(error: Error) -> Option<Self> {
        Some(error.into())
    }
}

/// Of shapes that cannot fail, which have been told so already.
#[diagnostic::do_not_recommend]
impl TakesError for Infallible {
    fn take(_: Error) -> Option<Self> {
        None
    }
}

/// The same form for a function that is told when time is up.
pub fn can_time_out<K, R, T, E>(_: &Shape<K, R, T, E>, form: Form<R>) -> Form<R>
where
    K: ShapeKind<R, T, E>,
    Shape<K, R, T, E>: CanTimeOut,
    E: TakesError,
{
    Form { fail: Some(fail::<K, R, T, E>), ..form }
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

fn fail<K: ShapeKind<R, T, E>, R, T, E: TakesError>(error: Error) -> R {
    let failed = K::FAILED.zip(E::take(error));
    let (failed, error) = failed.expect("a function with an error can fail");
    failed(error)
}
