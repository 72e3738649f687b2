//! What is different in a flight whose key has tags: no invalidation of a tag detaches it.
//!
//! An invalidation of the key takes its flight out of the slot, so nobody who comes after it joins what began before. A
//! tag does not know its keys. So a flight with tags is closed before it looks at their generations, and opens only as
//! far as what it found was found after everybody in it had joined.

use super::{Phase, Role, Settled};
use crate::{
    cache::Answer,
    entry::Stamps,
    mutant::{self, Mutant},
};

impl Role {
    /// Closes the flight to newcomers, since its leader is about to look whether an entry in this process is good.
    pub(crate) fn look_begins(&self) -> Option<()> {
        self.set(|state| state.phase = Phase::ProbeSent)
    }

    /// Notes the generations that a probe has read.
    pub(crate) fn stamped(&self, stamps: Stamps) -> Option<()> {
        self.set(|state| state.stamps = Some(stamps))
    }

    /// The generations that this leader, or the one before it, has read.
    pub(crate) fn stamps(&self) -> Option<Stamps> {
        self.set(|state| state.stamps.clone()).flatten()
    }

    /// The fill was accepted, and a tag was invalidated since the load began. The value serves those that joined before
    /// the load: they read no later than it did. Those that joined during the load may have begun after the tag's
    /// invalidation had returned: they go on, under one of them, which finds an entry that is outdated. So it is after a
    /// fill whose outcome is unknown; but the lease is used up.
    pub(crate) fn outdated(&self, answer: &Answer) -> Settled {
        let everybody = mutant::on(Mutant::ShareOutdated);
        self.serve_covered(answer, everybody, |state| state.consume_lease())
    }
}
