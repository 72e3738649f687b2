//! What a usable entry of the shared tier says.

use std::sync::Arc;

use crate::{
    cache::Answer,
    entry::{Id, Stamp},
};

/// An entry of the shared tier, of the type that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) answer: Answer,
    pub(crate) id: Id,
    /// How long until it is out of date, less than nothing if it is; `None` if only its end counts.
    /// By wall clocks: nothing that is promised may hang on it.
    pub(crate) fresh_for_ms: Option<i64>,
    /// How long it is good in all; 0 where only its end counts.
    pub(crate) soft_ttl_ms: u32,
    pub(crate) load_cost_ms: u32,
    /// The tags it was loaded under.
    pub(crate) stamps: Option<Arc<[Stamp]>>,
    /// Whether it may be kept in process.
    pub(crate) local: bool,
    /// How long it has left in the shared tier; only if that was asked for.
    pub(crate) left_ms: Option<u64>,
    /// How many bytes it is there, where that is known.
    pub(crate) size: u32,
}

impl Found {
    /// An entry that says nothing but its answer.
    #[cfg(shuttle)]
    pub(crate) fn plain(answer: Answer, id: Id) -> Self {
        Self {
            answer,
            id,
            fresh_for_ms: None,
            soft_ttl_ms: 0,
            load_cost_ms: 0,
            stamps: None,
            local: true,
            left_ms: Some(u64::MAX),
            size: 1,
        }
    }

    /// Whether it is out of date although nothing voided it.
    pub(crate) fn is_stale(&self) -> bool {
        self.fresh_for_ms.is_some_and(|left| left <= 0)
    }
}
