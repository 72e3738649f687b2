//! The outbox and its relay: what a write has to invalidate survives the death of whoever was to do it (protocol §8.1).
//!
//! Writers commit a row together with their data, invalidate by themselves, and mark the row; a relay claims rows that are
//! left, invalidates, and marks them. Both may die between any two steps, also between COMMIT and its answer; Redis may
//! refuse a command. A reader may fill the key whenever it is absent. Left out: leases, batches of rows, retention, and how
//! long anything takes: a claim may run out whenever its holder is dead, a row is due at once.

use crate::{Property, Protocol, Watch};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// There is no outbox.
    NoOutbox,
    /// The row is written after COMMIT.
    RowAfterCommit,
    /// A row is marked before Redis has acknowledged.
    MarkFirst,
    /// A refused command is taken for a done one.
    MarkRefused,
    /// A claim never ends.
    ClaimForEver,
    /// The relay remembers the highest id it has dealt with, and looks only above it.
    Cursor,
    /// A lost answer to COMMIT is taken for a roll-back, and the row's keys are dropped with it.
    UnknownIsRollback,
    /// A write returns before its invalidation is acknowledged, and says that it was.
    ReturnEarly,
}

/// Writers of one key and a relay.
#[derive(Clone, Copy, Debug)]
pub struct Outbox {
    /// Callers that write once.
    pub writers: u8,
    /// How many processes may die; the relay's comes back.
    pub crashes: u8,
    /// How many commands Redis may refuse.
    pub refusals: u8,
    /// How many answers to COMMIT may be lost.
    pub lost: u8,
    /// What is broken.
    pub mutant: Option<Mutant>,
}

impl Outbox {
    /// The protocol, as it is or with one rule broken.
    #[must_use]
    pub fn new(mutant: Option<Mutant>) -> Outbox {
        Outbox { writers: 2, crashes: 2, refusals: 1, lost: 1, mutant }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Writer {
    Idle,
    /// The row's id was drawn, and the transaction is open.
    Began,
    /// Committed, and the answer is there or not.
    Committed {
        version: u8,
        known: bool,
    },
    WritingRow(u8),
    Invalidating(u8),
    Marking(u8),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Row {
    None,
    Pending,
    Claimed,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Relay {
    Idle,
    Invalidating(usize),
    Marking(usize),
}

/// All there is. A writer's number is its row's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    db: u8,
    entry: Option<u8>,
    writers: Vec<Writer>,
    rows: Vec<Row>,
    relay: Relay,
    /// Below this the relay does not look any more, if it goes by ids.
    cursor: usize,
    /// What a read may not be older than: the writes that said they were applied.
    applied: u8,
    stale: bool,
    crashes: u8,
    refusals: u8,
    lost: u8,
}

/// Who did what: a writer's number, and versions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    Begin(usize),
    Commit(usize, u8),
    AnswerIsLost(usize, u8),
    WriteRow(usize),
    Ask(usize),
    Unlink(usize),
    Refused(usize),
    Mark(usize),
    Crash(usize),
    Claim(usize),
    ClaimEnds(usize),
    RelayUnlinks(usize),
    RelayIsRefused(usize),
    RelayMarks(usize),
    RelayDies,
    SomebodyFills(u8),
    Read(u8),
}

type Next = Vec<(Step, State)>;

impl Outbox {
    fn write(&self, state: &State, i: usize, next: &mut Next) {
        let mut after = state.clone();
        match state.writers[i] {
            // Ids are drawn in order, and committed in any.
            Writer::Idle if i == 0 || state.writers[i - 1] != Writer::Idle => {
                after.writers[i] = Writer::Began;
                next.push((Step::Begin(i), after));
            }
            Writer::Idle | Writer::Done => {}
            Writer::Began => self.commit(after, i, next),
            Writer::Committed { version, known } => {
                // What is not known is asked for; the row says what became of it.
                after.writers[i] = match known || !self.is(Mutant::UnknownIsRollback) {
                    true => Writer::Invalidating(version),
                    false => Writer::Done,
                };
                next.push((Step::Ask(i), after));
            }
            Writer::WritingRow(version) => {
                after.rows[i] = Row::Pending;
                after.writers[i] = Writer::Invalidating(version);
                next.push((Step::WriteRow(i), after));
            }
            Writer::Invalidating(version) => self.invalidate(state, i, version, next),
            Writer::Marking(version) => {
                after.mark(i);
                after.writers[i] = match self.is(Mutant::MarkFirst) && after.entry.is_some() {
                    true => Writer::Invalidating(version),
                    false => Writer::Done,
                };
                next.push((Step::Mark(i), after));
            }
        }
    }

    fn commit(&self, mut after: State, i: usize, next: &mut Next) {
        after.db += 1;
        let version = after.db;
        let in_transaction = !self.is(Mutant::NoOutbox) && !self.is(Mutant::RowAfterCommit);
        if in_transaction {
            after.rows[i] = Row::Pending;
        }
        if after.lost > 0 {
            let mut after = after.clone();
            after.lost -= 1;
            after.writers[i] = Writer::Committed { version, known: false };
            if self.is(Mutant::UnknownIsRollback) {
                after.rows[i] = Row::None;
            }
            next.push((Step::AnswerIsLost(i, version), after));
        }
        after.writers[i] = match self.mutant {
            Some(Mutant::RowAfterCommit) => Writer::WritingRow(version),
            Some(Mutant::MarkFirst) => Writer::Marking(version),
            _ => Writer::Committed { version, known: true },
        };
        if self.is(Mutant::ReturnEarly) {
            after.applied = after.applied.max(version);
        }
        next.push((Step::Commit(i, version), after));
    }

    fn invalidate(&self, state: &State, i: usize, version: u8, next: &mut Next) {
        if state.refusals > 0 {
            // It returns all the same, and says that its invalidation is pending.
            let mut after = state.clone();
            after.refusals -= 1;
            after.writers[i] = Writer::Done;
            if self.is(Mutant::MarkRefused) {
                after.writers[i] = Writer::Marking(version);
            }
            next.push((Step::Refused(i), after));
        }
        let mut after = state.clone();
        after.entry = None;
        after.applied = after.applied.max(version);
        after.writers[i] = match self.is(Mutant::MarkFirst) {
            true => Writer::Done,
            false => Writer::Marking(version),
        };
        next.push((Step::Unlink(i), after));
    }

    fn relay(&self, state: &State, next: &mut Next) {
        match state.relay {
            Relay::Idle => self.claim(state, next),
            Relay::Invalidating(i) => {
                let mut after = State { entry: None, relay: Relay::Marking(i), ..state.clone() };
                if self.is(Mutant::MarkFirst) {
                    after.relay = Relay::Idle;
                }
                next.push((Step::RelayUnlinks(i), after));
                if state.refusals > 0 {
                    let refusals = state.refusals - 1;
                    let mut after = State { relay: Relay::Idle, refusals, ..state.clone() };
                    after.rows[i] = Row::Pending;
                    if self.is(Mutant::MarkRefused) {
                        after.relay = Relay::Marking(i);
                    }
                    next.push((Step::RelayIsRefused(i), after));
                }
            }
            Relay::Marking(i) => {
                let mut after = State { relay: Relay::Idle, ..state.clone() };
                after.mark(i);
                if self.is(Mutant::MarkFirst) {
                    after.relay = Relay::Invalidating(i);
                }
                next.push((Step::RelayMarks(i), after));
            }
        }
        if state.crashes > 0 && state.relay != Relay::Idle {
            let crashes = state.crashes - 1;
            next.push((Step::RelayDies, State { relay: Relay::Idle, crashes, ..state.clone() }));
        }
    }

    fn claim(&self, state: &State, next: &mut Next) {
        for i in 0..state.rows.len() {
            let mut after = state.clone();
            match state.rows[i] {
                Row::Pending if !self.is(Mutant::Cursor) || i >= state.cursor => {
                    after.rows[i] = Row::Claimed;
                    after.cursor = i + 1;
                    after.relay = match self.is(Mutant::MarkFirst) {
                        true => Relay::Marking(i),
                        false => Relay::Invalidating(i),
                    };
                    next.push((Step::Claim(i), after));
                }
                // Nobody works on it: whoever claimed it is dead.
                Row::Claimed if !self.is(Mutant::ClaimForEver) => {
                    after.rows[i] = Row::Pending;
                    next.push((Step::ClaimEnds(i), after));
                }
                _ => {}
            }
        }
    }
}

impl State {
    fn mark(&mut self, i: usize) {
        if self.rows[i] != Row::None {
            self.rows[i] = Row::Done;
        }
    }
}

impl Protocol for Outbox {
    type State = State;
    type Step = Step;

    fn start(&self, _: Watch) -> State {
        State {
            db: 0,
            entry: Some(0),
            writers: vec![Writer::Idle; self.writers.into()],
            rows: vec![Row::None; self.writers.into()],
            relay: Relay::Idle,
            cursor: 0,
            applied: 0,
            stale: false,
            crashes: self.crashes,
            refusals: self.refusals,
            lost: self.lost,
        }
    }

    fn steps(&self, state: &State, next: &mut Next) {
        for i in 0..state.writers.len() {
            self.write(state, i, next);
            let idle = matches!(state.writers[i], Writer::Idle | Writer::Done);
            if state.crashes > 0 && !idle {
                let mut after = state.clone();
                after.crashes -= 1;
                after.writers[i] = Writer::Done;
                next.push((Step::Crash(i), after));
            }
        }
        self.relay(state, next);
        match state.entry {
            None => {
                let entry = Some(state.db);
                next.push((Step::SomebodyFills(state.db), State { entry, ..state.clone() }));
            }
            Some(version) if version < state.applied && !state.stale => {
                next.push((Step::Read(version), State { stale: true, ..state.clone() }));
            }
            Some(_) => {}
        }
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        match property {
            Property::Regular => !state.stale,
            Property::Converges => {
                let stale = state.entry.is_some_and(|version| version < state.db);
                !stale || {
                    let mut next = Vec::new();
                    self.steps(state, &mut next);
                    next.iter().any(|(step, _)| !matches!(step, Step::Read(_)))
                }
            }
            _ => true,
        }
    }
}
