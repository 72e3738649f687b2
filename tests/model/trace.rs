//! Walks through a model, and what each step does to the key: the side of the models that real servers are held to.

use fastrand::Rng;

use crate::{Protocol, Watch};

/// What is under the key, with the model's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Nothing.
    Absent,
    /// A lease.
    Lease {
        /// Its id.
        id: u8,
        /// What its value must reach.
        floor: u8,
    },
    /// A value.
    Value {
        /// Its id.
        id: u8,
        /// The version that was loaded.
        version: u8,
        /// The floor of the lease that it was filled under.
        floor: u8,
    },
    /// An invalidation that left a floor.
    Tombstone {
        /// Its id.
        id: u8,
        /// What a value must reach.
        floor: u8,
    },
}

/// What a step does to the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Touch {
    /// A probe with a fresh id, which this is if the key is leased to it.
    Probe {
        /// The id.
        id: Option<u8>,
    },
    /// A fill of this version, with an id of its own, under a lease.
    Fill {
        /// The lease.
        lease: u8,
        /// The value's id.
        id: u8,
        /// The version.
        version: u8,
    },
    /// What was seen is turned into a lease.
    Replace {
        /// The id that was seen.
        seen: u8,
        /// The id of the lease, if it is granted.
        id: Option<u8>,
    },
    /// A lease is given up.
    GiveUp {
        /// Its id.
        id: u8,
    },
    /// The key is removed.
    Unlink,
    /// Time, or a command that is not the store's, leaves this.
    Becomes(Seen),
}

/// A model whose steps touch a key.
pub trait Traced: Protocol {
    /// What is under the key.
    fn seen(&self, state: &Self::State) -> Seen;

    /// What the step does to it; nothing for steps that touch something else.
    fn touch(&self, before: &Self::State, step: &Self::Step, after: &Self::State) -> Option<Touch>;
}

/// A touch in a walk, and what was and is under the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Touched {
    /// What was there.
    pub before: Seen,
    /// What is done.
    pub touch: Touch,
    /// What is there afterwards.
    pub after: Seen,
}

/// One way from the start to where nothing can move, each step drawn by `rng`.
pub fn walk<P: Traced>(protocol: &P, rng: &mut Rng) -> Vec<Touched> {
    let mut state = protocol.start(Watch::default());
    let mut touched = Vec::new();
    loop {
        let mut next = Vec::new();
        protocol.steps(&state, &mut next);
        if next.is_empty() {
            return touched;
        }
        let (step, after) = next.swap_remove(rng.usize(..next.len()));
        if let Some(touch) = protocol.touch(&state, &step, &after) {
            let (before, after) = (protocol.seen(&state), protocol.seen(&after));
            touched.push(Touched { before, touch, after });
        }
        state = after;
    }
}
