//! What a batch function returns: a value for each id, by the id or by its place.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use super::form::Marker;
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
        assert_eq!(values, ids, "a batch answered {ids} ids with {values} values, one each was due");
        self
    }

    fn close(answers: Vec<(I, Option<T>)>) -> Self {
        answers.into_iter().map(|(_, value)| value).collect()
    }
}

fn present<I, T>(answers: Vec<(I, Option<T>)>) -> impl Iterator<Item = (I, T)> {
    answers.into_iter().filter_map(|(id, value)| Some((id, value?)))
}

/// A kind of return type that holds the answers `M`, and perhaps an error `E`.
#[diagnostic::on_unimplemented(
    message = "a batch answers with a collection, not with an `Option`",
    label = "an id that is not there is left out of the collection",
    note = "return `HashMap<Id, T>`, or `Result<HashMap<Id, T>, E>`"
)]
pub trait ManyKind<R, M, E> {
    /// Makes a failure, where the kind can say it.
    const FAILED: Option<fn(E) -> R>;
    /// Takes a result apart.
    fn open(out: R) -> Result<M, E>;
    /// Makes a success.
    fn close(answers: M) -> R;
}

impl<M, E> ManyKind<Result<M, E>, M, E> for IsResult {
    const FAILED: Option<fn(E) -> Result<M, E>> = Some(Err);

    fn open(out: Result<M, E>) -> Result<M, E> {
        out
    }

    fn close(answers: M) -> Result<M, E> {
        Ok(answers)
    }
}

impl<M> ManyKind<M, M, Infallible> for IsPlain {
    const FAILED: Option<fn(Infallible) -> M> = None;

    fn open(out: M) -> Result<M, Infallible> {
        Ok(out)
    }

    fn close(answers: M) -> M {
        answers
    }
}

/// The shape of a batch over ids of type `I`; a type only, without data.
pub struct ManyShape<K, R, M, E, I> {
    marker: Marker<(K, R, M, E, I)>,
}

impl<K, R, M: Answers<I>, E, I> ManyShape<K, R, M, E, I> {
    /// Asks after the type of one value.
    pub fn value(&self) -> Probe<M::Value> {
        Probe::NEW
    }
}

impl<K, R, M, E, I> fmt::Debug for ManyShape<K, R, M, E, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::any::type_name::<K>())
    }
}

/// The shape of a batch with this return type, over these ids.
pub fn many_shape<K, R, M, E, I>(
    _: &Shape<K, R, M, E>,
    _: &[(I, Key)],
) -> ManyShape<K, R, M, E, I>
where
    K: ManyKind<R, M, E>,
    M: Answers<I>,
{
    ManyShape { marker: PhantomData }
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
