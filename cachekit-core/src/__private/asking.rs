//! A cached read that a Bloom filter may answer.

use tracing::Instrument as _;

use super::{
    Call, Form,
    read::{Read, go},
};
use crate::{
    bloom::Bloom,
    cache::{Policy, Start, Status, Way},
    flight::Verdict,
    key::KeyBuf,
};

pub use crate::bloom::{Asks, Question};

/// The filter of `bloom = expr`, whether that is a [`Bloom`] or refers to one.
pub fn filter<K: ?Sized, B: AsRef<Bloom<K>> + ?Sized>(bloom: &B) -> &Bloom<K> {
    bloom.as_ref()
}

/// What the filter is to be asked for: the placeholders of the key.
pub fn ask<K: ?Sized>(bloom: &Bloom<K>, parts: impl Asks<K>) -> Question<'_> {
    Question::new(bloom, &parts)
}

/// [`read`](super::read), where an id that the filter knows to be absent ends it. Hits in this process come first: they
/// cost less.
pub fn read_asking<R, F, Fut>(
    call: Call<'_>,
    key: &KeyBuf,
    policy: Policy,
    form: Form<R>,
    question: Question<'_>,
    body: F,
) -> Read<R, impl Future<Output = R> + use<R, F, Fut>>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    let way = match Start::of(&call, key, policy, form.codec, form.absent.is_some()) {
        Start::Way(way) => way,
        Start::Hit(answer) => match super::read::from_answer(&form, answer) {
            Some(out) => return Read::ready(out),
            None => Way::past_the_cache(&call, "type"),
        },
    };
    let asked = way.may_be_filtered().then(|| question.into_asked());
    let span = way.span();
    let work = async move {
        if let (Some(asked), Some(absent)) = (asked, form.absent)
            && asked.is_absent().await
        {
            way.report(&Verdict::Own(Status::Filtered));
            return absent();
        }
        go(way, form, body).await
    };
    Read::pending(work.instrument(span))
}
