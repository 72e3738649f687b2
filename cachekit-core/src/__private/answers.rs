//! What a batch function returns: a value for each id, by the id or by its place.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher, Hash};

use super::probe::Probe;
use super::shape::{IsPlain, IsResult, Shape};
use crate::key::Key;

/// A collection that has a value, or none, for each id of type `I`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which value belongs to which `{I}`",
    label = "returned for a batch of `{I}`",
    note = "rows come back in any order, and some not at all; return `HashMap<{I}, T>`, `BTreeMap<{I}, T>` or `Vec<({I}, T)>`, or `Vec<Option<T>>` with one place for each id in their order; each also in a `Result`"
)]
pub trait Answers<I>: Sized {
    /// What is stored of each.
    type Value;
    /// The values of these ids, in their order.
    fn open(self, ids: &[&I]) -> Vec<Option<Self::Value>>;
    /// Makes the collection, in the order of the ids.
    fn close(answers: Vec<(I, Option<Self::Value>)>) -> Self;
}

impl<I: Eq + Hash, T, S: BuildHasher + Default> Answers<I> for HashMap<I, T, S> {
    type Value = T;

    fn open(mut self, ids: &[&I]) -> Vec<Option<T>> {
        ids.iter().map(|id| self.remove(*id)).collect()
    }

    fn close(answers: Vec<(I, Option<T>)>) -> Self {
        present(answers).collect()
    }
}

impl<I: Ord, T> Answers<I> for BTreeMap<I, T> {
    type Value = T;

    fn open(mut self, ids: &[&I]) -> Vec<Option<T>> {
        ids.iter().map(|id| self.remove(*id)).collect()
    }

    fn close(answers: Vec<(I, Option<T>)>) -> Self {
        present(answers).collect()
    }
}

impl<I: Eq + Hash, T> Answers<I> for Vec<(I, T)> {
    type Value = T;

    fn open(self, ids: &[&I]) -> Vec<Option<T>> {
        self.into_iter().collect::<HashMap<_, _>>().open(ids)
    }

    fn close(answers: Vec<(I, Option<T>)>) -> Self {
        present(answers).collect()
    }
}

impl<I, T> Answers<I> for Vec<Option<T>> {
    type Value = T;

    fn open(self, ids: &[&I]) -> Vec<Option<T>> {
        let (values, ids) = (self.len(), ids.len());
        assert_eq!(
            values, ids,
            "a batch answered {ids} ids with {values} values, one each was due"
        );
        self
    }

    fn close(answers: Vec<(I, Option<T>)>) -> Self {
        answers.into_iter().map(|(_, value)| value).collect()
    }
}

fn present<I, T>(answers: Vec<(I, Option<T>)>) -> impl Iterator<Item = (I, T)> {
    answers.into_iter().filter_map(|(id, value)| Some((id, value?)))
}

/// A kind of return type that holds the answers `M` for ids of type `I`, and perhaps an error `E`.
#[diagnostic::on_unimplemented(
    message = "a batch answers with a collection, not with an `Option`",
    label = "an id that is not there is left out of the collection",
    note = "return `HashMap<{I}, T>`, or `Result<HashMap<{I}, T>, E>`"
)]
pub trait ManyKind<R, M, E, I> {
    /// What is stored of each id.
    type Value;
    /// Makes a failure, where the kind can say it.
    const FAILED: Option<fn(E) -> R>;
    /// The values of these ids, in their order.
    fn open(out: R, ids: &[&I]) -> Result<Vec<Option<Self::Value>>, E>;
    /// Makes a success.
    fn close(answers: Vec<(I, Option<Self::Value>)>) -> R;
}

impl<M: Answers<I>, E, I> ManyKind<Result<M, E>, M, E, I> for IsResult {
    type Value = M::Value;

    const FAILED: Option<fn(E) -> Result<M, E>> = Some(Err);

    fn open(out: Result<M, E>, ids: &[&I]) -> Result<Vec<Option<M::Value>>, E> {
        out.map(|answers| answers.open(ids))
    }

    fn close(answers: Vec<(I, Option<M::Value>)>) -> Result<M, E> {
        Ok(M::close(answers))
    }
}

impl<M: Answers<I>, I> ManyKind<M, M, Infallible, I> for IsPlain {
    type Value = M::Value;

    const FAILED: Option<fn(Infallible) -> M> = None;

    fn open(out: M, ids: &[&I]) -> Result<Vec<Option<M::Value>>, Infallible> {
        Ok(out.open(ids))
    }

    fn close(answers: Vec<(I, Option<M::Value>)>) -> M {
        M::close(answers)
    }
}

/// A value, or none, for each id that was asked for, in their order.
pub(crate) type Placed<T, E> = Result<Vec<Option<T>>, E>;

/// How a batch's loader output `L` is taken apart into values `T` of ids `I`, or an error, and its result `R` put
/// together.
pub struct ManyShape<I, T, E, L, R> {
    pub(crate) open: fn(L, &[&I]) -> Placed<T, E>,
    pub(crate) close: fn(Vec<(I, Option<T>)>) -> R,
    /// `None` where it cannot fail.
    pub(crate) failed: Option<fn(E) -> R>,
}

impl<I, T, E, L, R> ManyShape<I, T, E, L, R> {
    /// Asks after the type of one value.
    pub fn value(&self) -> Probe<T> {
        Probe::NEW
    }
}

impl<I, T, E, L, R> fmt::Debug for ManyShape<I, T, E, L, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManyShape").field("returns", &std::any::type_name::<R>()).finish()
    }
}

/// The shape of an annotated function over these ids; the one place that asks whether its return type can answer them.
pub fn many_shape<K, R, M, E, I>(
    _: &[(I, Key)],
    _: &Shape<K, R, M, E>,
) -> ManyShape<I, K::Value, E, R, R>
where
    K: ManyKind<R, M, E, I>,
{
    ManyShape { open: K::open, close: K::close, failed: K::FAILED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_ids_and_others_are_not_there() {
        let ids = [&3, &1, &2];
        let pairs = || [(1, "a"), (3, "c"), (9, "i")];
        let expected = [Some("c"), Some("a"), None];
        assert_eq!(HashMap::from(pairs()).open(&ids), expected);
        assert_eq!(BTreeMap::from(pairs()).open(&ids), expected);
        assert_eq!(Vec::from(pairs()).open(&ids), expected);
    }

    #[test]
    fn pairs_and_places_keep_the_order_of_the_ids() {
        let answers = || vec![(3, Some("c")), (2, None), (1, Some("a")), (3, Some("c"))];
        assert_eq!(Vec::<(i32, &str)>::close(answers()), [(3, "c"), (1, "a"), (3, "c")]);
        let places = <Vec<Option<&str>> as Answers<i32>>::close(answers());
        assert_eq!(places, [Some("c"), None, Some("a"), Some("c")]);
    }

    #[test]
    #[should_panic(expected = "a batch answered 2 ids with 1 values")]
    fn a_place_too_few_is_not_guessed() {
        let _never = vec![Some("a")].open(&[&1, &2]);
    }
}
