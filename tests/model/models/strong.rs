//! Writers that keep readers away from the cache until their commit is known (protocol §4.9).
//!
//! A writer puts its name into the key's set of inhibitors, commits with a row that fences it, and takes its name out
//! later; readers of an inhibited key read the database. An inhibitor that is found too old is resolved in the
//! database: its row is there, or is taken from it for ever, so that its COMMIT fails. Redis may fall back to what its replica
//! had. Left out: copies in processes, which this mode forbids, and how many keys a writer has.

use crate::{Property, Protocol, Since, Watch};

/// How an inhibit ends whose writer is not heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifted {
    /// Never.
    Never,
    /// When its time is up.
    ByTime,
    /// When the database has said what became of the writer, or has shut it out.
    ByFence,
}

/// One key with writers that inhibit.
#[derive(Clone, Copy, Debug)]
pub struct Strong {
    /// Callers that read once.
    pub readers: u8,
    /// Callers that write once.
    pub writers: u8,
    /// Whether the key is cached at the start.
    pub warm: bool,
    /// How many leases or inhibits may end before their time.
    pub expiries: u8,
    /// How many processes may die.
    pub crashes: u8,
    /// How often Redis may fall back; it is trusted again after a gate.
    pub failovers: u8,
    /// Whether the inhibit is a set of writers, or names the last one.
    pub set: bool,
    /// How inhibits end.
    pub lifted: Lifted,
    /// Whether a write returns before its inhibit is lifted.
    pub returns_first: bool,
}

impl Strong {
    /// The protocol with three readers and two writers.
    #[must_use]
    pub fn new() -> Strong {
        Strong {
            readers: 3,
            writers: 2,
            warm: true,
            expiries: 0,
            crashes: 0,
            failovers: 0,
            set: true,
            lifted: Lifted::ByFence,
            returns_first: false,
        }
    }
}

impl Default for Strong {
    fn default() -> Strong {
        Strong::new()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    Absent,
    Lease(u8),
    Value(u8),
    /// Its writers are bits.
    Inhibited(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Actor {
    Reader,
    Probing(Since),
    Loading(Since, u8),
    Filling(Since, u8, u8),
    Direct(Since),
    Writer,
    Committing,
    Releasing(u8),
    Done,
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    db: u8,
    entry: Entry,
    behind: Entry,
    ids: u8,
    actors: Vec<Actor>,
    /// Writers whose row is pending, that have a row, that were shut out: bits.
    pending: u8,
    rows: u8,
    shut_out: u8,
    open: bool,
    expiries: u8,
    crashes: u8,
    failovers: u8,
    watch: Watch,
}

/// Who did what: an actor's number, and versions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    Begin(usize),
    Hit(usize, u8),
    Leased(usize, u8),
    GoPast(usize),
    Load(usize, u8),
    Fill(usize, u8, bool),
    Direct(usize, u8),
    Inhibit(usize),
    Commit(usize, u8),
    CommitRefused(usize),
    Release(usize, u8),
    Crash(usize),
    Relay(usize),
    LeaseRunsOut,
    InhibitRunsOut,
    InhibitResolved,
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

    fn undecided(&self, writers: u8) -> u8 {
        let open = |i: &usize| matches!(self.actors[*i], Actor::Writer | Actor::Committing);
        let bits = (0..self.actors.len()).filter(open).fold(0, |bits, i| bits | (1 << i));
        bits & writers
    }
}

fn without(entry: Entry, writer: u8) -> Entry {
    match entry {
        Entry::Inhibited(set) if set & !writer != 0 => Entry::Inhibited(set & !writer),
        _ => Entry::Absent,
    }
}

impl Strong {
    fn probe(&self, state: &State, i: usize, since: Since, next: &mut Next) {
        if !state.open {
            return next.push((Step::GoPast(i), state.with(i, Actor::Direct(since))));
        }
        match state.entry {
            Entry::Absent => {
                let mut after = state.clone();
                after.ids += 1;
                let id = after.ids;
                after.entry = Entry::Lease(id);
                after.actors[i] = Actor::Loading(since, id);
                next.push((Step::Leased(i, id), after));
            }
            Entry::Value(version) => {
                next.push((Step::Hit(i, version), state.returns(i, since, version)));
            }
            Entry::Lease(_) | Entry::Inhibited(_) => {
                next.push((Step::GoPast(i), state.with(i, Actor::Direct(since))));
            }
        }
    }

    fn commit(&self, state: &State, i: usize, next: &mut Next) {
        if self.lifted == Lifted::ByFence && state.shut_out & (1 << i) != 0 {
            return next.push((Step::CommitRefused(i), state.with(i, Actor::Done)));
        }
        let version = state.db + 1;
        let mut after = state.with(i, Actor::Releasing(version));
        after.db = version;
        after.pending |= 1 << i;
        after.rows |= 1 << i;
        if self.returns_first {
            after.watch.write_returned(version);
        }
        next.push((Step::Commit(i, version), after));
    }

    fn act(&self, state: &State, i: usize, next: &mut Next) {
        match state.actors[i] {
            Actor::Reader => {
                let since = state.watch.begin();
                next.push((Step::Begin(i), state.with(i, Actor::Probing(since))));
            }
            Actor::Probing(since) => self.probe(state, i, since, next),
            Actor::Loading(since, id) => {
                let after = state.with(i, Actor::Filling(since, id, state.db));
                next.push((Step::Load(i, state.db), after));
            }
            Actor::Filling(since, id, version) => {
                let accepted = state.entry == Entry::Lease(id);
                let mut after = state.returns(i, since, version);
                if accepted {
                    after.entry = Entry::Value(version);
                }
                next.push((Step::Fill(i, version, accepted), after));
            }
            Actor::Direct(since) => {
                next.push((Step::Direct(i, state.db), state.returns(i, since, state.db)));
            }
            Actor::Writer => {
                let others = match state.entry {
                    Entry::Inhibited(set) if self.set => set,
                    _ => 0,
                };
                let mut after = state.with(i, Actor::Committing);
                after.entry = Entry::Inhibited(others | (1 << i));
                next.push((Step::Inhibit(i), after));
            }
            Actor::Committing => self.commit(state, i, next),
            Actor::Releasing(version) => {
                let mut after = state.with(i, Actor::Done);
                after.entry = self.released(state.entry, i);
                after.pending &= !(1 << i);
                after.watch.write_returned(version);
                next.push((Step::Release(i, version), after));
            }
            Actor::Done => {}
        }
    }

    /// An inhibit of a single owner stays if somebody else's has replaced it.
    fn released(&self, entry: Entry, i: usize) -> Entry {
        match entry {
            Entry::Inhibited(set) if !self.set && set != 1 << i => entry,
            entry => without(entry, 1 << i),
        }
    }

    fn ends(&self, state: &State, next: &mut Next) {
        if state.expiries == 0 {
            return;
        }
        let mut after =
            State { entry: Entry::Absent, expiries: state.expiries - 1, ..state.clone() };
        match (state.entry, self.lifted) {
            (Entry::Lease(_), _) => next.push((Step::LeaseRunsOut, after)),
            (Entry::Inhibited(_), Lifted::ByTime) => next.push((Step::InhibitRunsOut, after)),
            (Entry::Inhibited(set), Lifted::ByFence) => {
                after.shut_out |= state.undecided(set);
                next.push((Step::InhibitResolved, after));
            }
            _ => {}
        }
    }

    fn fall_back(&self, state: &State, next: &mut Next) {
        if state.failovers > 0 {
            let changed = State { behind: state.entry, ..state.clone() };
            if changed != *state {
                next.push((Step::RedisReplicates, changed));
            }
            let failovers = state.failovers - 1;
            let after = State { entry: state.behind, open: false, failovers, ..state.clone() };
            next.push((Step::RedisFallsBack, after));
        }
        if !state.open {
            let mut after = State { open: true, ..state.clone() };
            if self.lifted == Lifted::ByFence {
                let committing = |i: &usize| state.actors[*i] == Actor::Committing;
                for i in (0..state.actors.len()).filter(committing) {
                    after.shut_out |= 1 << i;
                }
            }
            after.entry = match state.entry {
                Entry::Inhibited(set) if self.lifted == Lifted::ByFence => {
                    let idle = |i: &usize| state.actors[*i] == Actor::Writer;
                    let bits = (0..state.actors.len()).filter(idle).fold(0, |b, i| b | (1 << i));
                    without(Entry::Inhibited(set & bits), 0)
                }
                Entry::Inhibited(set) => Entry::Inhibited(set),
                _ if state.rows != 0 => Entry::Absent,
                entry => entry,
            };
            after.behind = after.entry;
            next.push((Step::GateOpens, after));
        }
    }
}

impl Protocol for Strong {
    type State = State;
    type Step = Step;

    fn start(&self, watch: Watch) -> State {
        let mut actors = vec![Actor::Reader; self.readers.into()];
        actors.resize(actors.len() + usize::from(self.writers), Actor::Writer);
        let entry = if self.warm { Entry::Value(0) } else { Entry::Absent };
        State {
            db: 0,
            entry,
            behind: entry,
            ids: 0,
            actors,
            pending: 0,
            rows: 0,
            shut_out: 0,
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
            let idle = matches!(state.actors[i], Actor::Reader | Actor::Writer | Actor::Done);
            if state.crashes > 0 && !idle {
                let mut after = state.with(i, Actor::Done);
                after.crashes -= 1;
                next.push((Step::Crash(i), after));
            }
            if state.pending & (1 << i) != 0 {
                let mut after = state.clone();
                after.pending &= !(1 << i);
                if state.actors[i] == Actor::Done || !matches!(state.entry, Entry::Inhibited(_)) {
                    after.entry = self.released(state.entry, i);
                }
                next.push((Step::Relay(i), after));
            }
        }
        self.ends(state, next);
        self.fall_back(state, next);
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        match property {
            Property::Converges => {
                let done = state.actors.iter().all(|actor| *actor == Actor::Done);
                let quiet = done && state.pending == 0 && state.open;
                !quiet || !matches!(state.entry, Entry::Value(version) if version < state.db)
            }
            property => state.watch.holds(property),
        }
    }
}
