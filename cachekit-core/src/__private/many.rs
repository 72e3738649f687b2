//! A cached read of many keys: a thin generic shell over the engine.

use std::collections::HashMap;
use std::fmt;

use tracing::Instrument as _;

use super::answers::{Answers, ManyKind, ManyShape};
use super::form::{Cacheable, Codec, Keep, Keepable, ShareError, Shared, Split};
use super::read::Call;
use crate::cache::{Answer, Many, ManyStep, Policy};
use crate::key::Key;

/// The values that a load brought, in the order of the ids; or the caller's result, and its error for those who waited.
pub(crate) type Brought<R> = Result<Vec<Option<Shared>>, (R, Option<Shared>)>;

/// What a loader of many gives (`L`), taken apart, and what the caller gets (`R`), put together.
pub struct ManyForm<I, L, R> {
    pub(crate) open: fn(L, &[&I]) -> Brought<R>,
    pub(crate) fits: fn(&Shared) -> bool,
    pub(crate) close: fn(Vec<(I, Option<Shared>)>) -> R,
    /// `None` where the error cannot be cloned.
    pub(crate) error: Option<fn(&Shared) -> Option<R>>,
    /// `None` for values that stay in this process.
    pub(crate) codec: Option<&'static Codec>,
}

impl<I, L, R> fmt::Debug for ManyForm<I, L, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManyForm").field("returns", &std::any::type_name::<R>()).finish()
    }
}

/// The form of an annotated batch function.
pub fn many_form<K, R, M, E, I, S, F>(
    _: &ManyShape<K, R, M, E, I>,
    _: &S,
    _: &F,
) -> ManyForm<I, R, R>
where
    K: ManyKind<R, M, E>,
    M: Answers<I>,
    S: Cacheable<M::Value>,
    F: ShareError<E>,
{
    assemble::<K, R, M, E, I, S, F>(Some(S::CODEC))
}

/// [`many_form`] for values that stay in this process, which need no serde.
pub fn local_many_form<K, R, M, E, I, S, F>(
    _: &ManyShape<K, R, M, E, I>,
    _: &S,
    _: &F,
) -> ManyForm<I, R, R>
where
    K: ManyKind<R, M, E>,
    M: Answers<I>,
    S: Keepable<M::Value>,
    F: ShareError<E>,
{
    assemble::<K, R, M, E, I, S, F>(None)
}

fn assemble<K, R, M, E, I, S, F>(codec: Option<&'static Codec>) -> ManyForm<I, R, R>
where
    K: ManyKind<R, M, E>,
    M: Answers<I>,
    S: Keep<M::Value>,
    F: ShareError<E>,
{
    ManyForm {
        open: open::<K, R, M, E, I, S, F>,
        fits: S::fits,
        close: |answers| K::close(M::close(taken::<I, M::Value, S>(answers))),
        error: match (F::TAKE, K::FAILED) {
            (Some(_), Some(_)) => Some(|shared| K::FAILED.zip(F::TAKE?(shared)).map(fail)),
            _ => None,
        },
        codec,
    }
}

fn open<K, R, M, E, I, S, F>(out: R, ids: &[&I]) -> Brought<R>
where
    K: ManyKind<R, M, E>,
    M: Answers<I>,
    S: Keep<M::Value>,
    F: ShareError<E>,
{
    match K::open(out) {
        Ok(answers) => Ok(shared::<M::Value, S>(answers.open(ids))),
        Err(error) => {
            let failed = K::FAILED.expect("what can fail can say so");
            let shared = F::share(&error);
            Err((failed(error), shared))
        }
    }
}

fn fail<R, E>((failed, error): (fn(E) -> R, E)) -> R {
    failed(error)
}

/// Shares values that nobody else needs.
pub(crate) fn shared<T, S: Keep<T>>(values: Vec<Option<T>>) -> Vec<Option<Shared>> {
    values.into_iter().map(|value| value.map(S::hand_over)).collect()
}

/// Takes values back.
pub(crate) fn taken<I, T, S: Keep<T>>(answers: Vec<(I, Option<Shared>)>) -> Vec<(I, Option<T>)> {
    answers.into_iter().map(|(id, shared)| (id, shared.and_then(S::take))).collect()
}

/// A read of many keys under way. Ask it what to load, load that, and bring it, until there is nothing more:
///
/// ```text
/// while let Some(ids) = read.next().await {
///     let out = read.load(body(ids)).await;
///     read.settle(out).await;
/// }
/// read.finish()
/// ```
///
/// # Cancel safety
///
/// Dropped at any await, callers that wait for one of its loads go on with one of their own, and what it held is
/// given up.
pub struct ManyRead<I, L, R> {
    many: Box<Many>,
    span: tracing::Span,
    ids: Vec<I>,
    /// For each id that was asked for, its place among `ids`; nothing where each was asked for once.
    repeated: Option<Vec<usize>>,
    form: ManyForm<I, L, R>,
    /// The places whose load is under way.
    loading: Vec<usize>,
    answers: Vec<Option<Answer>>,
    failed: Option<R>,
}

impl<I: Clone, L, R> ManyRead<I, L, R> {
    /// Begins to read these ids' keys. A key that stands there twice is read once.
    pub fn begin(
        call: Call<'_>,
        asked: Vec<(I, Key)>,
        policy: Policy,
        form: ManyForm<I, L, R>,
    ) -> Self {
        let (ids, keys, repeated) = distinct(asked);
        let many = Many::start(&call, keys, policy, form.codec);
        let span = if many.is_done() { tracing::Span::none() } else { many.span() };
        Self {
            many,
            span,
            ids,
            repeated,
            form,
            loading: Vec::new(),
            answers: Vec::new(),
            failed: None,
        }
    }

    /// The ids to load now; `None` when the read is over.
    pub async fn next(&mut self) -> Option<Vec<I>> {
        while self.failed.is_none() {
            // In a box, so that the caller's own future stays small.
            match Box::pin(self.many.next().instrument(self.span.clone())).await {
                ManyStep::Load(places) => {
                    let ids = places.iter().map(|place| self.ids[*place].clone()).collect();
                    self.loading = places;
                    return Some(ids);
                }
                ManyStep::Failed(place, error) => {
                    self.failed = self.form.error.and_then(|make| make(&error));
                    if self.failed.is_none() {
                        self.many.go_past_other_type(place);
                    }
                }
                ManyStep::Done if self.has_what_fits() => return None,
                ManyStep::Done => {}
            }
        }
        None
    }

    /// Whether every answer is of this read's type; the others are to be loaded.
    fn has_what_fits(&mut self) -> bool {
        let fits = self.form.fits;
        !self.many.go_past_where(|value| !fits(value))
    }

    /// Runs the load of what [`next`](Self::next) asked for.
    pub fn load<F: Future>(&self, load: F) -> impl Future<Output = F::Output> + use<F, I, L, R> {
        let span = self.span.clone();
        self.many.body_context().scope(load).instrument(span)
    }

    /// Takes what the load brought.
    pub async fn settle(&mut self, out: L) {
        let loading = std::mem::take(&mut self.loading);
        let ids: Vec<_> = loading.iter().map(|place| &self.ids[*place]).collect();
        let splits = match (self.form.open)(out, &ids) {
            Ok(values) => values.into_iter().map(split).collect(),
            Err((failed, error)) => {
                self.failed = Some(failed);
                loading.iter().map(|_| Split::Failed(error.clone())).collect()
            }
        };
        Box::pin(self.many.settle(splits).instrument(self.span.clone())).await;
    }

    /// What the caller gets.
    ///
    /// # Panics
    ///
    /// Before [`next`](Self::next) has said that the read is over.
    pub fn finish(mut self) -> R {
        self.answers = self.span.in_scope(|| self.many.finish());
        if let Some(failed) = self.failed {
            return failed;
        }
        let Self { ids, repeated, mut answers, form, .. } = self;
        let mut value = |place: usize, last: bool| {
            let answer = if last { answers[place].take() } else { answers[place].clone() };
            match answer.expect("a read that is over has all its answers") {
                Answer::Value(value) => Some(value),
                Answer::Absent => None,
            }
        };
        let answers = match repeated {
            None => ids.into_iter().enumerate().map(|(at, id)| (id, value(at, true))).collect(),
            Some(places) => {
                places.iter().map(|place| (ids[*place].clone(), value(*place, false))).collect()
            }
        };
        (form.close)(answers)
    }
}

impl<I, L, R> fmt::Debug for ManyRead<I, L, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManyRead").field("form", &self.form).finish_non_exhaustive()
    }
}

fn split(value: Option<Shared>) -> Split {
    value.map_or(Split::Absent, Split::Value)
}

type Distinct<I> = (Vec<I>, Vec<Key>, Option<Vec<usize>>);

/// Each id once, by its key; and where each that was asked for is now, if any was repeated.
fn distinct<I>(asked: Vec<(I, Key)>) -> Distinct<I> {
    let mut seen = HashMap::with_capacity(asked.len());
    let places: Vec<_> = asked
        .iter()
        .map(|(_, key)| {
            let next = seen.len();
            *seen.entry(key).or_insert(next)
        })
        .collect();
    let repeated = seen.len() < asked.len();
    drop(seen);
    let mut next = 0;
    let (ids, keys) = asked
        .into_iter()
        .zip(&places)
        .filter_map(|(asked, place)| {
            let first = *place == next;
            next += usize::from(first);
            first.then_some(asked)
        })
        .unzip();
    (ids, keys, repeated.then_some(places))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyBuf;

    fn asked(ids: &[u64]) -> Vec<(u64, Key)> {
        let key = |id: u64| KeyBuf::new("n:<id>", |w| {
            w.literal("n:");
            w.value(&id);
        });
        ids.iter().map(|id| (*id, key(*id).into_key())).collect()
    }

    #[test]
    fn ids_that_are_repeated_are_read_once() {
        let (ids, keys, places) = distinct(asked(&[7, 9, 7, 8, 9, 7]));
        assert_eq!(ids, [7, 9, 8]);
        assert_eq!(keys.len(), 3);
        assert_eq!(places, Some(vec![0, 1, 0, 2, 1, 0]));
        assert_eq!(distinct(asked(&[3, 1, 2])).2, None);
    }
}
