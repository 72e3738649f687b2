//! What `#[invalidates]` asks of a return type: its success value for `ret`, its failure for `on_err`.

use super::shape::{IsOption, IsResult, IsResultOption, Shape};

/// A kind of return type that has a success value.
#[diagnostic::on_unimplemented(
    message = "`ret` is the success value of a `Result` or `Option`, and this function returns `{R}`",
    label = "has no success value"
)]
pub trait HasRet<R, T> {
    /// The success value of a result, if it is one.
    fn success(out: &R) -> Option<&T>;
}

impl<T, E> HasRet<Result<Option<T>, E>, T> for IsResultOption {
    fn success(out: &Result<Option<T>, E>) -> Option<&T> {
        out.as_ref().ok().and_then(Option::as_ref)
    }
}

impl<T, E> HasRet<Result<T, E>, T> for IsResult {
    fn success(out: &Result<T, E>) -> Option<&T> {
        out.as_ref().ok()
    }
}

impl<T> HasRet<Option<T>, T> for IsOption {
    fn success(out: &Option<T>) -> Option<&T> {
        out.as_ref()
    }
}

/// The success value that `ret` names.
pub fn ret<'a, K: HasRet<R, T>, R, T, E>(out: &'a R, _: &Shape<K, R, T, E>) -> Option<&'a T> {
    K::success(out)
}

/// A return type that can be an error.
#[diagnostic::on_unimplemented(
    message = "`on_err = \"keep\"` needs a function that returns a `Result`",
    label = "`{Self}` is not a `Result`"
)]
pub trait CanFail {
    /// Whether it is one.
    fn failed(&self) -> bool;
}

impl<T, E> CanFail for Result<T, E> {
    fn failed(&self) -> bool {
        self.is_err()
    }
}

/// Whether a result is an error, for `on_err = "keep"`.
pub fn failed<R: CanFail>(out: &R) -> bool {
    out.failed()
}

/// Adds one key.
pub fn push(keys: &mut Vec<crate::Key>, key: crate::Key) {
    keys.push(key);
}

/// Adds the keys of `keys = ..`.
pub fn extend<I: IntoIterator<Item = crate::Key>>(keys: &mut Vec<crate::Key>, more: I) {
    keys.extend(more);
}

/// The key that stands for the tag of `tag = ..`.
pub fn tag_key(tag: crate::Key) -> crate::Key {
    tag.to_tag()
}

/// The keys that stand for the tags of `tags = ..`.
pub fn tag_keys<I: IntoIterator<Item = crate::Key>>(tags: I) -> impl Iterator<Item = crate::Key> {
    tags.into_iter().map(tag_key)
}

/// A value of any type, behind `if false`: the type of a body's `return` and `?` is known from it.
pub fn never<R>() -> R {
    unreachable!("this call stands behind `if false`")
}

#[cfg(test)]
// The borrows are the question.
#[allow(clippy::needless_borrow)]
mod tests {
    use super::super::probe::{Probe, ViaOption as _, ViaResult as _, ViaResultOption as _};
    use super::*;

    #[test]
    fn ret_is_the_innermost_success() {
        let shape = (&&&&Probe::<Result<Option<i64>, String>>::NEW).ck_shape();
        assert_eq!(ret(&Ok(Some(7)), &shape), Some(&7));
        assert_eq!(ret(&Ok(None), &shape), None);
        assert_eq!(ret(&Err(String::new()), &shape), None);
        let shape = (&&&&Probe::<Result<i64, String>>::NEW).ck_shape();
        assert_eq!(ret(&Ok(7), &shape), Some(&7));
        let shape = (&&&&Probe::<Option<i64>>::NEW).ck_shape();
        assert_eq!(ret(&Some(7), &shape), Some(&7));
    }

    #[test]
    fn only_an_err_has_failed() {
        assert!(failed(&Err::<i64, _>("no")));
        assert!(!failed(&Ok::<_, String>(7)));
    }
}
