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
        }
    }
}
