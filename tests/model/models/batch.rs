//! Reads of several keys at once: one load for all that a batch leads, a lease and an outcome for each key (engine §3).
//!
//! Batches of one process ask for the same two keys, in different orders; single readers ask for one of them. Each key has
//! a row of its own, and a writer elsewhere for it. A flight here is a lease and those that joined while its load ran.
//! Left out: what [`flight`](super::flight) looks at, drops, patience and lost answers.

use crate::{Property, Protocol, Since, Watch};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// The load begins when the first key is leased.
    LoadBeforeLeases,
    /// The keys' fills share one outcome.
    OneOutcome,
    /// A batch waits for what others load before it loads what it leads.
    WaitFirst,
    /// All values are filled under the first key's lease.
    OneLease,
}

const KEYS: usize = 2;

/// Batches, single readers, and a writer of each key.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Batches of both keys.
    pub batches: u8,
    /// Readers of the second key.
    pub readers: u8,
    /// Whether each key is written once.
    pub writes: bool,
    /// What is broken.
    pub mutant: Option<Mutant>,
}

impl Batch {
    /// The engine, as it is or with one rule broken.
    #[must_use]
    pub fn new(mutant: Option<Mutant>) -> Batch {
        Batch { batches: 2, readers: 1, writes: true, mutant }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    Absent,
    Lease(u8),
    Value(u8),
}

/// What a caller knows of one of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    /// It does not want it, or has it.
    Nothing,
    Wanted,
    Leads(u8),
    /// Joined the load under this lease.
    Follows(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Asking,
    /// What both rows had at one moment.
    Loaded([u8; KEYS]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Caller {
    began: bool,
    since: [Since; KEYS],
    parts: [Part; KEYS],
    phase: Phase,
    /// Asks for its keys from the last to the first.
    backwards: bool,
    /// The outcome of its first fill.
    first: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Writer {
    Idle,
    Invalidating(u8),
    Done,
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    rows: [u8; KEYS],
    entries: [Entry; KEYS],
    ids: u8,
    callers: Vec<Caller>,
    /// Loads that are over: lease, and the value for those that joined, if they may have it.
    over: Vec<(u8, Option<u8>)>,
    writers: [Writer; KEYS],
    watch: [Watch; KEYS],
}

/// Who did what: a caller's number, a key's, leases and versions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    Begin(usize),
    Leased(usize, usize, u8),
    Join(usize, usize, u8),
    Hit(usize, usize, u8),
    Load(usize, u8, u8),
    Fill(usize, usize, bool),
    Shared(usize, usize, u8),
    GoOn(usize, usize),
    Commit(usize, u8),
    Unlink(usize, u8),
}

type Next = Vec<(Step, State)>;

impl State {
    fn returns(&mut self, i: usize, key: usize, version: u8) {
        self.callers[i].parts[key] = Part::Nothing;
        self.watch[key].read_returned(self.callers[i].since[key], version);
    }
}

impl Batch {
    /// Looks at one key, in the caller's order.
    fn ask(&self, state: &State, i: usize, next: &mut Next) {
        let caller = &state.callers[i];
        let order = if caller.backwards { [1, 0] } else { [0, 1] };
        let Some(key) = order.into_iter().find(|key| caller.parts[*key] == Part::Wanted) else {
            return;
        };
        let mut after = state.clone();
        let leads = |caller: &Caller| match caller.parts[key] {
            Part::Leads(id) => Some(id),
            _ => None,
        };
        if let Some(id) = state.callers.iter().find_map(leads) {
            after.callers[i].parts[key] = Part::Follows(id);
            return next.push((Step::Join(i, key, id), after));
        }
        match state.entries[key] {
            Entry::Absent => {
                after.ids += 1;
                after.entries[key] = Entry::Lease(after.ids);
                after.callers[i].parts[key] = Part::Leads(after.ids);
                next.push((Step::Leased(i, key, after.ids), after));
            }
            // Nobody here leads it and no lease runs out, so there is no other's to wait for.
            Entry::Lease(_) => {}
            Entry::Value(version) => {
                after.returns(i, key, version);
                next.push((Step::Hit(i, key, version), after));
            }
        }
    }

    fn may_load(&self, caller: &Caller) -> bool {
        let leads = caller.parts.iter().any(|part| matches!(part, Part::Leads(_)));
        let asks = caller.parts.contains(&Part::Wanted);
        let follows = caller.parts.iter().any(|part| matches!(part, Part::Follows(_)));
        let waits =
            (asks && !self.is(Mutant::LoadBeforeLeases)) || (follows && self.is(Mutant::WaitFirst));
        leads && !waits && caller.phase == Phase::Asking
    }

    fn fill(&self, state: &State, i: usize, rows: [u8; KEYS], next: &mut Next) {
        let caller = &state.callers[i];
        let leads = |key: &usize| matches!(caller.parts[*key], Part::Leads(_));
        let Some(key) = (0..KEYS).find(leads) else { return };
        let Part::Leads(lease) = caller.parts[key] else { return };
        let mut after = state.clone();
        let mut accepted = state.entries[key] == Entry::Lease(lease);
        if self.is(Mutant::OneLease) {
            accepted |= caller.first == Some(true);
        }
        if accepted {
            after.entries[key] = Entry::Value(rows[key]);
        }
        let shares = match caller.first {
            Some(first) if self.is(Mutant::OneOutcome) => first,
            _ => accepted,
        };
        after.callers[i].first = caller.first.or(Some(accepted));
        after.over.push((lease, Some(rows[key]).filter(|_| shares)));
        // It asked before its load began, so it keeps its own value in any case.
        after.returns(i, key, rows[key]);
        if !after.callers[i].parts.iter().any(|part| matches!(part, Part::Leads(_))) {
            after.callers[i].phase = Phase::Asking;
            after.callers[i].first = None;
        }
        next.push((Step::Fill(i, key, accepted), after));
    }

    fn follow(&self, state: &State, i: usize, next: &mut Next) {
        for key in 0..KEYS {
            let Part::Follows(lease) = state.callers[i].parts[key] else { continue };
            let Some((_, shared)) = state.over.iter().find(|(id, _)| *id == lease) else {
                continue;
            };
            let mut after = state.clone();
            match shared {
                Some(version) => {
                    after.returns(i, key, *version);
                    next.push((Step::Shared(i, key, *version), after));
                }
                None => {
                    after.callers[i].parts[key] = Part::Wanted;
                    next.push((Step::GoOn(i, key), after));
                }
            }
        }
    }

    fn call(&self, state: &State, i: usize, next: &mut Next) {
        let caller = &state.callers[i];
        if !caller.began {
            let mut after = state.clone();
            after.callers[i].began = true;
            after.callers[i].since = [state.watch[0].begin(), state.watch[1].begin()];
            return next.push((Step::Begin(i), after));
        }
        match caller.phase {
            Phase::Loaded(rows) => self.fill(state, i, rows, next),
            Phase::Asking => {
                self.ask(state, i, next);
                if self.may_load(caller) {
                    let mut after = state.clone();
                    after.callers[i].phase = Phase::Loaded(state.rows);
                    next.push((Step::Load(i, state.rows[0], state.rows[1]), after));
                }
            }
        }
        if !(self.is(Mutant::LoadBeforeLeases) && matches!(caller.phase, Phase::Loaded(_))) {
            self.follow(state, i, next);
        } else {
            // It leases the rest while its load runs.
            self.ask(state, i, next);
        }
    }

    fn write(&self, state: &State, key: usize, next: &mut Next) {
        let mut after = state.clone();
        match state.writers[key] {
            Writer::Idle => {
                after.rows[key] += 1;
                after.writers[key] = Writer::Invalidating(after.rows[key]);
                next.push((Step::Commit(key, after.rows[key]), after));
            }
            Writer::Invalidating(version) => {
                after.entries[key] = Entry::Absent;
                after.writers[key] = Writer::Done;
                after.watch[key].write_returned(version);
                next.push((Step::Unlink(key, version), after));
            }
            Writer::Done => {}
        }
    }
}

impl Protocol for Batch {
    type State = State;
    type Step = Step;

    fn start(&self, watch: Watch) -> State {
        let caller = |parts, backwards| Caller {
            began: false,
            since: [Since::default(); KEYS],
            parts,
            phase: Phase::Asking,
            backwards,
            first: None,
        };
        let batches = (0..self.batches).map(|i| caller([Part::Wanted; KEYS], i % 2 == 1));
        let readers = (0..self.readers).map(|_| caller([Part::Nothing, Part::Wanted], false));
        let writer = if self.writes { Writer::Idle } else { Writer::Done };
        State {
            rows: [0; KEYS],
            entries: [Entry::Absent; KEYS],
            ids: 0,
            callers: batches.chain(readers).collect(),
            over: Vec::new(),
            writers: [writer; KEYS],
            watch: [watch; KEYS],
        }
    }

    fn steps(&self, state: &State, next: &mut Next) {
        for i in 0..state.callers.len() {
            self.call(state, i, next);
        }
        for key in 0..KEYS {
            self.write(state, key, next);
        }
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        match property {
            Property::Served => {
                let done = |caller: &Caller| {
                    caller.began && caller.parts.iter().all(|part| *part == Part::Nothing)
                };
                state.callers.iter().all(done) || {
                    let mut next = Vec::new();
                    self.steps(state, &mut next);
                    !next.is_empty()
                }
            }
            Property::Converges => {
                let quiet = state.writers.iter().all(|writer| *writer == Writer::Done)
                    && state.callers.iter().all(|caller| {
                        caller.began && caller.parts.iter().all(|part| *part == Part::Nothing)
                    });
                let stale = |key: usize| matches!(state.entries[key], Entry::Value(version) if version < state.rows[key]);
                !quiet || !(0..KEYS).any(stale)
            }
            property => state.watch.iter().all(|watch| watch.holds(property)),
        }
    }
}
