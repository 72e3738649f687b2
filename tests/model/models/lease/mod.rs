//! The protocol of one key in Redis: leases, fills by compare-and-set, invalidation after commit (protocol §4.1 to §4.8).
//!
//! A reader is a process with one caller; whoever finds a lease waits for it, goes past it, or follows the flight that holds
//! it. A lease may run out at any moment, a process may die between any two steps, Redis may fall back to what its replica
//! had. The relay applies rows of the outbox in any order, also while their writer still does. Left out: what a process
//! knows of its own writes ([`dirty`](super::dirty)), and several callers in one process and commands that arrive late
//! ([`flight`](super::flight)).

mod callers;
mod mishaps;
mod state;

pub use state::{Entry, State, Step};

use crate::trace::{Seen, Touch, Traced};
use crate::{Property, Protocol, Watch};
use state::{Actor, Next};

/// What a reader does that finds somebody else's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Held {
    /// Reads the database, past the cache; or waits.
    GoPast,
    /// Waits until it is gone.
    Wait,
}

/// What a reader does whose fill was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Returns its own value.
    Return,
    /// Probes again.
    ProbeAgain,
}

/// Who may share a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Nobody.
    None,
    /// Whoever comes before it is done, whatever becomes of its fill.
    Anybody,
    /// Whoever comes before it is done, if its fill is accepted.
    IfAccepted,
}

/// What loads from a replica go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Floor {
    /// Nothing.
    None,
    /// What the last invalidation said.
    Last,
    /// The highest that any invalidation said.
    Highest,
}

/// One key, its readers and its writers.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// Callers that read once, each a process of its own.
    pub readers: u8,
    /// Callers that write once.
    pub writers: u8,
    /// Whether the key is cached at the start.
    pub warm: bool,
    /// How many leases may run out.
    pub expiries: u8,
    /// How many processes may die.
    pub crashes: u8,
    /// How often Redis may fall back to its replica.
    pub failovers: u8,
    /// Whether loads read a replica of the database that may lag.
    pub lagging: bool,
    /// Whether a write leaves a row that a relay applies.
    pub outbox: bool,
    /// Whether a lease's id is new each time, or that of the client.
    pub fresh_ids: bool,
    /// What becomes of a reader that finds a lease.
    pub held: Held,
    /// What becomes of a reader whose fill was refused.
    pub refused: Refused,
    /// Who shares a load.
    pub sharing: Sharing,
    /// What a tombstone remembers.
    pub floor: Floor,
    /// Whether a lease that took a tombstone's place lives as long as it, so that the floor is not forgotten with it.
    pub floor_outlives: bool,
    /// Whether Redis is trusted after a fail-over only when the outbox was applied once more.
    pub gate: bool,
    /// Whether invalidations follow the commit log, and may come before the commit can be seen.
    pub before_visible: bool,
}

impl Lease {
    /// The rules of the protocol, with three readers and two writers.
    #[must_use]
    pub fn shipped() -> Lease {
        Lease {
            readers: 3,
            writers: 2,
            warm: false,
            expiries: 1,
            crashes: 0,
            failovers: 0,
            lagging: false,
            outbox: false,
            fresh_ids: true,
            held: Held::Wait,
            refused: Refused::ProbeAgain,
            sharing: Sharing::None,
            floor: Floor::None,
            floor_outlives: true,
            gate: false,
            before_visible: false,
        }
    }
}

impl Protocol for Lease {
    type State = State;
    type Step = Step;

    fn start(&self, watch: Watch) -> State {
        let mut actors = vec![Actor::Reader; self.readers.into()];
        actors.resize(actors.len() + usize::from(self.writers), Actor::Writer);
        let entry =
            if self.warm { Entry::Value { id: 0, version: 0, floor: 0 } } else { Entry::Absent };
        State {
            db: 0,
            replica: 0,
            entry,
            behind: entry,
            ids: 0,
            actors,
            pending: 0,
            rows: 0,
            over: Vec::new(),
            open: true,
            expiries: self.expiries,
            crashes: self.crashes,
            failovers: self.failovers,
            watch,
        }
    }

    fn steps(&self, state: &State, next: &mut Next) {
        for i in 0..state.actors.len() {
            self.act(state, i, next);
        }
        self.relay(state, next);
        self.fall_back(state, next);
        self.mishaps(state, next);
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        match property {
            Property::Converges => {
                let stale =
                    matches!(state.entry, Entry::Value { version, .. } if version < state.db);
                !state.is_quiet() || !stale
            }
            property => state.watch.holds(property),
        }
    }
}

impl Traced for Lease {
    fn seen(&self, state: &State) -> Seen {
        match state.entry {
            Entry::Absent => Seen::Absent,
            Entry::Lease { id, floor } => Seen::Lease { id, floor },
            Entry::Value { id, version, floor } => Seen::Value { id, version, floor },
            Entry::Tombstone { id, floor } => Seen::Tombstone { id, floor },
        }
    }

    fn touch(&self, before: &State, step: &Step, after: &State) -> Option<Touch> {
        let granted = match after.entry {
            Entry::Lease { id, .. } => Some(id),
            _ => None,
        };
        match (step, before.actors.get(actor_of(step)?)?) {
            (Step::Leased(..), _) => Some(Touch::Probe { id: granted }),
            (Step::Hit(..) | Step::FoundTombstone(_) | Step::Follow(..), _) => {
                Some(Touch::Probe { id: None })
            }
            (Step::ReplacedTombstone(_, there), Actor::Claiming(_, seen)) => {
                Some(Touch::Replace { seen: *seen, id: granted.filter(|_| *there) })
            }
            (Step::Fill(_, _, accepted), Actor::Filling(_, lease, version)) => {
                // A refused value's id is of no account, as long as it is fresh.
                let id = if *accepted { after.ids } else { u8::MAX };
                Some(Touch::Fill { lease: *lease, id, version: *version })
            }
            _ if before.entry == after.entry => None,
            _ if after.entry == Entry::Absent => Some(Touch::Unlink),
            _ => Some(Touch::Becomes(self.seen(after))),
        }
    }
}

/// The actor of a step, or any for what nobody does.
fn actor_of(step: &Step) -> Option<usize> {
    match *step {
        Step::Leased(i, _)
        | Step::Hit(i, _)
        | Step::FoundTombstone(i)
        | Step::Follow(i, _)
        | Step::ReplacedTombstone(i, _)
        | Step::Fill(i, _, _) => Some(i),
        Step::BeginAndJoin(..) | Step::Shared(..) => None,
        _ => Some(0),
    }
}
