//! A hit in this process on an entry that says how old it is.

use std::sync::Arc;

use super::{Age, Ask, Context, Renewal, Start, Status, Use, Wants, stamps};
use crate::{
    engine::Engine,
    key::{KeyBuf, Tag},
    tier::{Entry, View},
};

impl Start {
    /// A hit on an entry of which there is more to know, if it is one.
    pub(super) fn of_other(
        engine: &Arc<Engine>,
        key: &KeyBuf,
        wants: &Wants<'_>,
        tags: &[Tag],
        (entry, view): (Entry, View),
        context: Option<&Context>,
    ) -> Option<Self> {
        let entry = engine.living(view, &key.as_ref(), entry)?;
        if !engine.suits(view, &entry, tags) {
            return None;
        }
        Self::aged(engine, key, (&wants.ask(), tags), (entry, view.now_ms), context)
    }

    /// A hit on an entry that says how old it is.
    #[cold]
    fn aged(
        engine: &Arc<Engine>,
        key: &KeyBuf,
        (ask, tags): (&Ask, &[Tag]),
        (entry, now_ms): (Entry, u64),
        context: Option<&Context>,
    ) -> Option<Self> {
        let age = Age::of_local(entry.extra()?, now_ms);
        let waits = ask.policy.patience_with_old().is_some();
        let policy = ask.policy.of(entry.answer());
        let (status, renews) = match Use::of(engine, &key.as_ref(), &policy, &age) {
            Use::Answer(status) => (status, false),
            Use::Renew(status) => (status, !engine.marks.is_taken(&key.as_ref(), now_ms)),
            Use::Load { .. } => return None,
        };
        // What does not wait is found right here.
        if status == Status::Stale && waits && !engine.marks.is_failing(&key.as_ref(), now_ms) {
            return None;
        }
        match status {
            Status::Hit => count_hit(engine, key),
            status => engine.reporter.read(key.template().as_str(), "local", status),
        }
        told(context, status);
        let answer = entry.into_answer();
        let renewal = renews.then(|| {
            let tags = stamps::own(engine, tags);
            Renewal::begin(engine, &key.to_key(), (ask, &tags), age, &answer)
        });
        Some(match renewal.flatten() {
            Some(renewal) => Self::Due(answer, renewal),
            None => Self::Hit(answer),
        })
    }
}

/// Counts a hit in this process.
#[inline]
#[cfg_attr(not(feature = "testing"), allow(unused_variables))]
pub(super) fn count_hit(engine: &Engine, key: &KeyBuf) {
    engine.reporter.local_hit();
    #[cfg(feature = "testing")]
    engine.reporter.local_hit_of(key.template().as_str());
}

/// Tells a wrapper around the call how that got its answer.
#[inline]
pub(super) fn told(context: Option<&Context>, status: Status) {
    if let Some(context) = context {
        context.tell(status);
    }
}
