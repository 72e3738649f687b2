//! One value of the in-process tier.

use std::sync::Arc;

use crate::cache::Answer;

/// A value or a remembered absence, and until when it holds.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    answer: Answer,
    expires_ms: u64,
    weight: u32,
}

impl Entry {
    pub(crate) fn new(answer: Answer, expires_ms: u64, weight: u32) -> Self {
        Self { answer, expires_ms, weight }
    }

    pub(crate) fn is_live(&self, now_ms: u64) -> bool {
        now_ms < self.expires_ms
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }

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
