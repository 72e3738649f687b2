//! A cached read of many keys: a thin generic shell over the engine.

use std::collections::HashMap;
use std::fmt;

use tracing::Instrument as _;

use super::answers::ManyShape;
use super::form::{Cacheable, Codec, Keep, Keepable, ShareError, Shared, Split};
use super::read::Call;
use crate::cache::{Answer, Many, ManyStep, Policy};
use crate::key::Key;

/// A batch's types, taken apart and put together, and how its values and errors are shared.
pub struct ManyForm<I, T, E, L, R> {
    pub(crate) shape: ManyShape<I, T, E, L, R>,
    pub(crate) share: fn(T) -> Shared,
    pub(crate) fits: fn(&Shared) -> bool,
    pub(crate) take: fn(Shared) -> Option<T>,
    pub(crate) share_error: fn(&E) -> Option<Shared>,
    /// `None` where the error cannot be cloned.
    pub(crate) take_error: Option<fn(&Shared) -> Option<E>>,
    /// `None` for values that stay in this process.
    pub(crate) codec: Option<&'static Codec>,
}

impl<I, T, E, L, R> ManyForm<I, T, E, L, R> {
    pub(crate) fn of<S: Keep<T>, F: ShareError<E>>(
        shape: ManyShape<I, T, E, L, R>,
        codec: Option<&'static Codec>,
    ) -> Self {
        Self {
            shape,
            share: S::hand_over,
            fits: S::fits,
            take: S::take,
            share_error: F::share,
            take_error: F::TAKE,
            codec,
        }
    }

    /// A failure of somebody else's load.
    fn failed_by(&self, error: &Shared) -> Option<R> {
        Some(self.shape.failed?(self.take_error?(error)?))
    }
}

impl<I, T, E, L, R> fmt::Debug for ManyForm<I, T, E, L, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManyForm").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// The form of an annotated batch function.
pub fn many_form<I, T, E, L, R, S, F>(
    shape: ManyShape<I, T, E, L, R>,
    _: &S,
    _: &F,
) -> ManyForm<I, T, E, L, R>
where
    S: Cacheable<T>,
    F: ShareError<E>,
{
    ManyForm::of::<S, F>(shape, Some(S::CODEC))
}

/// [`many_form`] for values that stay in this process, which need no serde.
pub fn local_many_form<I, T, E, L, R, S, F>(
    shape: ManyShape<I, T, E, L, R>,
    _: &S,
    _: &F,
) -> ManyForm<I, T, E, L, R>
where
    S: Keepable<T>,
    F: ShareError<E>,
{
    ManyForm::of::<S, F>(shape, None)
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
pub struct ManyRead<I, T, E, L, R> {
    many: Box<Many>,
    span: tracing::Span,
    ids: Vec<I>,
    /// For each id that was asked for, its place among `ids`; nothing where each was asked for once.
    repeated: Option<Vec<usize>>,
    form: ManyForm<I, T, E, L, R>,
    /// The places whose load is under way.
    loading: Vec<usize>,
    answers: Vec<Option<Answer>>,
    failed: Option<R>,
}

impl<I: Clone, T, E, L, R> ManyRead<I, T, E, L, R> {
    /// Begins to read these ids' keys. A key that stands there twice is read once.
    pub fn begin(
        call: Call<'_>,
        asked: Vec<(I, Key)>,
        policy: Policy,
        form: ManyForm<I, T, E, L, R>,
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
                    self.failed = self.form.failed_by(&error);
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
    pub fn load<F: Future>(
        &self,
        load: F,
    ) -> impl Future<Output = F::Output> + use<F, I, T, E, L, R> {
        let span = self.span.clone();
        self.many.body_context().scope(load).instrument(span)
    }

    /// Takes what the load brought.
    pub async fn settle(&mut self, out: L) {
        let loading = std::mem::take(&mut self.loading);
        let ids: Vec<_> = loading.iter().map(|place| &self.ids[*place]).collect();
        let form = &self.form;
        let splits = match (form.shape.open)(out, &ids) {
            Ok(values) => {
                let split = |value| Some((form.share)(value?));
                values
                    .into_iter()
                    .map(|value| split(value).map_or(Split::Absent, Split::Value))
                    .collect()
            }
            Err(error) => {
                let shared = (form.share_error)(&error);
                let failed = form.shape.failed.expect("what can fail can say so");
                self.failed = Some(failed(error));
                loading.iter().map(|_| Split::Failed(shared.clone())).collect()
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
                Answer::Value(value) => (form.take)(value),
                Answer::Absent => None,
            }
        };
        let answers = match repeated {
            None => ids.into_iter().enumerate().map(|(at, id)| (id, value(at, true))).collect(),
            Some(places) => {
                places.iter().map(|place| (ids[*place].clone(), value(*place, false))).collect()
            }
        };
        (form.shape.close)(answers)
    }
}

impl<I, T, E, L, R> fmt::Debug for ManyRead<I, T, E, L, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManyRead").field("form", &self.form).finish_non_exhaustive()
    }
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
        let key = |id: u64| {
            KeyBuf::new("n:<id>", |w| {
                w.literal("n:");
                w.value(&id);
            })
        };
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
