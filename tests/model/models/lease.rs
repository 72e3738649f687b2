//! The protocol of one key in Redis: leases, fills by compare-and-set, invalidation after commit (protocol §4.1 to §4.8).
//!
//! A reader is a process with one caller; whoever finds a lease waits for it, goes past it, or follows the flight that holds
//! it. A lease may run out at any moment, a process may die between any two steps, Redis may fall back to what its replica
//! had. The relay applies rows of the outbox in any order, also while their writer still does. Left out: what a process
//! knows of its own writes ([`dirty`](super::dirty)), commands that arrive late ([`ids`](super::ids)), and several callers
//! in one process ([`flight`](super::flight)).

use crate::testers::{Event, Op};
use crate::trace::{Seen, Touch, Traced};
use crate::{Property, Protocol, Since, Watch};

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
    fn floor(self) -> u8 {
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
enum Actor {
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
    db: u8,
    replica: u8,
    entry: Entry,
    /// What the replica of Redis has.
    behind: Entry,
    ids: u8,
    actors: Vec<Actor>,
    /// Versions whose row is pending.
    pending: u8,
    /// Versions that have a row.
    rows: u8,
    /// Flights that are over: id, version, whether the fill was accepted.
    over: Vec<(u8, u8, bool)>,
    open: bool,
    expiries: u8,
    crashes: u8,
    failovers: u8,
    watch: Watch,
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

type Next = Vec<(Step, State)>;

impl State {
    fn with(&self, actor: usize, now: Actor) -> State {
        let mut state = self.clone();
        state.actors[actor] = now;
        state
    }

    fn returns(&self, actor: usize, since: Since, version: u8) -> State {
        let mut state = self.with(actor, Actor::Done);
        state.watch.read_returned(since, version);
        state
    }

    fn take_id(&mut self) -> u8 {
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

    fn is_quiet(&self) -> bool {
        self.actors.iter().all(|actor| *actor == Actor::Done) && self.pending == 0 && self.open
    }
}

impl Lease {
    fn probe(&self, state: &State, i: usize, since: Since, next: &mut Next) {
        if !state.open && self.gate {
            return next.push((Step::GoPast(i), state.with(i, Actor::Direct(since))));
        }
        match state.entry {
            Entry::Absent => {
                let mut after = state.clone();
                let id = if self.fresh_ids { after.take_id() } else { 1 };
                after.entry = Entry::Lease { id, floor: 0 };
                after.actors[i] = Actor::Loading(since, id, 0);
                next.push((Step::Leased(i, id), after));
            }
            Entry::Value { version, .. } => {
                next.push((Step::Hit(i, version), state.returns(i, since, version)));
            }
            Entry::Tombstone { id, .. } => {
                next.push((Step::FoundTombstone(i), state.with(i, Actor::Claiming(since, id))));
            }
            Entry::Lease { id, .. } => {
                if self.held == Held::GoPast {
                    next.push((Step::GoPast(i), state.with(i, Actor::Direct(since))));
                }
                if self.sharing == Sharing::IfAccepted {
                    next.push((Step::Follow(i, id), state.with(i, Actor::Following(since, id))));
                }
            }
        }
    }

    /// CAS_LEASE: the lease carries the tombstone's floor.
    fn claim(&self, state: &State, i: usize, since: Since, seen: u8, next: &mut Next) {
        let mut after = state.with(i, Actor::Probing(since));
        let found = matches!(state.entry, Entry::Tombstone { id, .. } if id == seen);
        if found {
            let (id, floor) = (after.take_id(), state.entry.floor());
            after.entry = Entry::Lease { id, floor };
            after.actors[i] = Actor::Loading(since, id, floor);
        }
        next.push((Step::ReplacedTombstone(i, found), after));
    }

    fn load(&self, state: &State, i: usize, (since, id, floor): (Since, u8, u8), next: &mut Next) {
        let oldest = if self.lagging { state.replica } else { state.db };
        let fits = |version: &u8| self.floor == Floor::None || *version >= floor;
        for version in (oldest..=state.db).filter(fits) {
            next.push((Step::Load(i, version), state.with(i, Actor::Filling(since, id, version))));
        }
    }

    /// CAS_FILL: the value has an id of its own.
    fn fill(
        &self,
        state: &State,
        i: usize,
        (since, lease, version): (Since, u8, u8),
        next: &mut Next,
    ) {
        let accepted = matches!(state.entry, Entry::Lease { id, .. } if id == lease);
        let mut after = state.clone();
        if accepted {
            let (id, floor) = (after.take_id(), state.entry.floor());
            after.entry = Entry::Value { id, version, floor };
        }
        if self.sharing != Sharing::None {
            after.over.push((lease, version, accepted));
        }
        let after = match self.refused {
            Refused::ProbeAgain if !accepted => after.with(i, Actor::Probing(since)),
            _ => after.returns(i, since, version),
        };
        next.push((Step::Fill(i, version, accepted), after));
    }

    fn follow(&self, state: &State, i: usize, since: Since, lease: u8, next: &mut Next) {
        for &(id, version, accepted) in &state.over {
            if id == lease && (accepted || self.sharing == Sharing::Anybody) {
                return next.push((Step::Shared(i, version), state.returns(i, since, version)));
            }
            if id == lease {
                return next.push((Step::ProbeAgain(i), state.with(i, Actor::Probing(since))));
            }
        }
    }

    fn begin(&self, state: &State, i: usize, next: &mut Next) {
        let since = state.watch.begin();
        next.push((Step::Begin(i), state.with(i, Actor::Probing(since))));
        if self.sharing != Sharing::Anybody {
            return;
        }
        for actor in &state.actors {
            if let Actor::Loading(_, id, _) | Actor::Filling(_, id, _) = *actor {
                next.push((Step::BeginAndJoin(i, id), state.with(i, Actor::Following(since, id))));
            }
        }
    }

    /// What an invalidation leaves behind.
    fn invalidated(&self, state: &mut State, version: u8) {
        let floor = match self.floor {
            Floor::None => return state.entry = Entry::Absent,
            Floor::Last => version,
            Floor::Highest => version.max(state.entry.floor()),
        };
        let id = state.take_id();
        state.entry = Entry::Tombstone { id, floor };
    }

    fn commit(&self, state: &State, i: usize, next: &mut Next) {
        let version = state.db + 1;
        let mut after = state.with(i, Actor::Invalidating(version));
        after.db = version;
        if self.outbox {
            after.pending |= 1 << version;
            after.rows |= 1 << version;
        }
        if self.before_visible {
            after.actors[i] = Actor::Done;
            after.watch.write_returned(version);
        }
        next.push((Step::Commit(i, version), after));
    }

    fn act(&self, state: &State, i: usize, next: &mut Next) {
        match state.actors[i] {
            Actor::Reader => self.begin(state, i, next),
            Actor::Probing(since) => self.probe(state, i, since, next),
            Actor::Claiming(since, seen) => self.claim(state, i, since, seen, next),
            Actor::Loading(since, id, floor) => self.load(state, i, (since, id, floor), next),
            Actor::Filling(since, id, version) => self.fill(state, i, (since, id, version), next),
            Actor::Direct(since) => {
                next.push((Step::Direct(i, state.db), state.returns(i, since, state.db)));
            }
            Actor::Following(since, id) => self.follow(state, i, since, id, next),
            Actor::Writer if self.before_visible => {
                let mut after = state.with(i, Actor::Committing);
                self.invalidated(&mut after, 0);
                next.push((Step::InvalidateBeforeVisible(i), after));
            }
            Actor::Writer => next.push((Step::BeginWrite(i), state.with(i, Actor::Committing))),
            Actor::Committing => self.commit(state, i, next),
            Actor::Invalidating(version) => {
                let mut after = state.with(i, Actor::Done);
                self.invalidated(&mut after, version);
                after.pending &= !(1 << version);
                after.watch.write_returned(version);
                next.push((Step::Invalidate(i, version), after));
            }
            Actor::Done => {}
        }
    }

    fn relay(&self, state: &State, next: &mut Next) {
        for version in (1..8).filter(|version| state.pending & (1 << version) != 0) {
            let mut after = state.clone();
            self.invalidated(&mut after, version);
            after.pending &= !(1 << version);
            next.push((Step::Relay(version), after));
        }
    }

    fn fall_back(&self, state: &State, next: &mut Next) {
        if state.failovers > 0 {
            let changed = State { behind: state.entry, ..state.clone() };
            if changed != *state {
                next.push((Step::RedisReplicates, changed));
            }
            let failovers = state.failovers - 1;
            let after = State { entry: state.behind, open: !self.gate, failovers, ..state.clone() };
            next.push((Step::RedisFallsBack, after));
        }
        if !state.open {
            let mut after = State { open: true, ..state.clone() };
            for version in (1..8).filter(|version| state.rows & (1 << version) != 0) {
                self.invalidated(&mut after, version);
            }
            after.behind = after.entry;
            next.push((Step::GateOpens, after));
        }
    }

    fn mishaps(&self, state: &State, next: &mut Next) {
        if state.replica < state.db && self.lagging {
            let replica = state.replica + 1;
            next.push((Step::ReplicaCatchesUp, State { replica, ..state.clone() }));
        }
        if let Entry::Lease { id, floor } = state.entry
            && state.expiries > 0
        {
            // A lease that outlives its holder for the floor's sake is a tombstone by another name.
            let kept = self.floor_outlives && floor > 0;
            let entry = if kept { Entry::Tombstone { id, floor } } else { Entry::Absent };
            let expiries = state.expiries - 1;
            next.push((Step::LeaseRunsOut, State { entry, expiries, ..state.clone() }));
        }
        for i in 0..state.actors.len() {
            let idle = matches!(state.actors[i], Actor::Reader | Actor::Writer | Actor::Done);
            if state.crashes > 0 && !idle {
                let mut after = state.with(i, Actor::Done);
                after.crashes -= 1;
                next.push((Step::Crash(i), after));
            }
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
