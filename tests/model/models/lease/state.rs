//! What is under the key, how far callers are, and what they do.

use crate::testers::{Event, Op};
use crate::{Since, Watch};

/// What is under the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// Nothing.
    Absent,
    /// Somebody loads, and has to bring no less than the floor.
    Lease {
        /// The id of this incarnation.
        id: u8,
        /// What its value must reach.
        floor: u8,
    },
    /// A value.
    Value {
        /// The id of this incarnation.
        id: u8,
        /// The version that was loaded.
        version: u8,
        /// The floor of the lease that it was filled under.
        floor: u8,
    },
    /// An invalidation that left a floor.
    Tombstone {
        /// The id of this incarnation.
        id: u8,
        /// What a value must reach.
        floor: u8,
    },
}

impl Entry {
    pub(super) fn floor(self) -> u8 {
        match self {
            Entry::Absent => 0,
            Entry::Lease { floor, .. }
            | Entry::Tombstone { floor, .. }
            | Entry::Value { floor, .. } => floor,
        }
    }
}

/// How far a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Actor {
    Reader,
    Probing(Since),
    Claiming(Since, u8),
    Loading(Since, u8, u8),
    Filling(Since, u8, u8),
    Direct(Since),
    Following(Since, u8),
    Writer,
    Committing,
    Invalidating(u8),
    Done,
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) db: u8,
    pub(super) replica: u8,
    pub(super) entry: Entry,
    /// What the replica of Redis has.
    pub(super) behind: Entry,
    pub(super) ids: u8,
    pub(super) actors: Vec<Actor>,
    /// Versions whose row is pending.
    pub(super) pending: u8,
    /// Versions that have a row.
    pub(super) rows: u8,
    /// Flights that are over: id, version, whether the fill was accepted.
    pub(super) over: Vec<(u8, u8, bool)>,
    pub(super) open: bool,
    pub(super) expiries: u8,
    pub(super) crashes: u8,
    pub(super) failovers: u8,
    pub(super) watch: Watch,
}

/// Who did what: an actor's number, ids and versions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    Begin(usize),
    BeginAndJoin(usize, u8),
    Hit(usize, u8),
    Leased(usize, u8),
    FoundTombstone(usize),
    ReplacedTombstone(usize, bool),
    GoPast(usize),
    Follow(usize, u8),
    Load(usize, u8),
    Fill(usize, u8, bool),
    Direct(usize, u8),
    Shared(usize, u8),
    ProbeAgain(usize),
    BeginWrite(usize),
    InvalidateBeforeVisible(usize),
    Commit(usize, u8),
    Invalidate(usize, u8),
    Crash(usize),
    Relay(u8),
    LeaseRunsOut,
    ReplicaCatchesUp,
    RedisReplicates,
    RedisFallsBack,
    GateOpens,
}

pub(super) type Next = Vec<(Step, State)>;

impl State {
    pub(super) fn with(&self, actor: usize, now: Actor) -> State {
        let mut state = self.clone();
        state.actors[actor] = now;
        state
    }

    pub(super) fn returns(&self, actor: usize, since: Since, version: u8) -> State {
        let mut state = self.with(actor, Actor::Done);
        state.watch.read_returned(since, version);
        state
    }

    pub(super) fn take_id(&mut self) -> u8 {
        self.ids += 1;
        self.ids
    }

    /// What a caller has seen by the step that led here.
    #[must_use]
    pub fn event(&self, step: &Step) -> Option<Event> {
        match *step {
            Step::Begin(i) | Step::BeginAndJoin(i, _) => Some(Event::Begin(i, Op::Read)),
            Step::BeginWrite(i) => Some(Event::Begin(i, Op::Write)),
            Step::Invalidate(i, version) => Some(Event::Return(i, version)),
            Step::Hit(i, version)
            | Step::Fill(i, version, _)
            | Step::Direct(i, version)
            | Step::Shared(i, version)
                if self.actors[i] == Actor::Done =>
            {
                Some(Event::Return(i, version))
            }
            _ => None,
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.actors.iter().all(|actor| *actor == Actor::Done) && self.pending == 0 && self.open
    }
}
