//! One value of the in-process tier.

use std::sync::Arc;

use super::View;
use crate::{
    cache::Answer,
    entry::{Id, Stamp},
};

/// A value or a remembered absence, and until when it holds.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    answer: Answer,
    expires_ms: u64,
    weight: u32,
    /// Of the tier's content: an entry of an earlier one is gone.
    generation: u32,
    extra: Option<Arc<Extra>>,
}

/// What few entries have: a time after which they are out of date, tags.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Of the entry in the shared tier that this is a copy of.
    pub(crate) id: Option<Id>,
    /// From when on it is out of date, although nothing voided it.
    pub(crate) stale_ms: Option<u64>,
    /// How long it is good in all; 0 where only its end counts.
    pub(crate) soft_ttl_ms: u32,
    /// How long its load took.
    pub(crate) load_cost_ms: u32,
    /// The tags it was loaded under.
    pub(crate) stamps: Option<Arc<[Stamp]>>,
}

impl Entry {
    pub(crate) fn new(answer: Answer, expires_ms: u64, weight: u32, generation: u32) -> Self {
        Self { answer, expires_ms, weight, generation, extra: None }
    }

    pub(crate) fn with_extra(mut self, extra: Extra) -> Self {
        self.extra = Some(Arc::new(extra));
        self
    }

    #[inline]
    pub(crate) fn is_live(&self, view: View) -> bool {
        view.now_ms < self.expires_ms && view.generation == self.generation
    }

    /// Whether that is all there is to know: good to its end, for whoever names no tags.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.extra.is_none()
    }

    #[inline]
    pub(crate) fn extra(&self) -> Option<&Arc<Extra>> {
        self.extra.as_ref()
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }

    pub(crate) fn answer(&self) -> &Answer {
        &self.answer
    }

    #[inline]
    pub(crate) fn into_answer(self) -> Answer {
        self.answer
    }

    /// Whether this is that very entry and not one that came after it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.expires_ms == other.expires_ms
            && match (&self.answer, &other.answer) {
                (Answer::Value(a), Answer::Value(b)) => Arc::ptr_eq(a, b),
                (Answer::Absent, Answer::Absent) => true,
                _ => false,
            }
    }
}
