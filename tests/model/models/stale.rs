//! An old value in the place of a load that failed: only while it is known to stand still (`stale_if_error`).
//!
//! An entry past its time is still in Redis; a reader finds it, loads anew with the intent to replace that very
//! incarnation, and if the load fails may answer with what it found. Readers of one process may join the load. A write may
//! invalidate the entry at any moment. Left out: refresh in the background, which has nobody to answer.

use crate::{Property, Protocol, Since, Watch};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// The old value is served without another look at the entry.
    ServeUnseen,
    /// Members join until the old value is served, also after the last look.
    JoinAfterLook,
    /// An old value is kept aside when it is invalidated, and served all the same.
    ServeVoided,
    /// A load replaces whatever is there when it ends.
    ReplaceAnything,
}

/// One key with an entry past its time.
#[derive(Clone, Copy, Debug)]
pub struct Stale {
    /// Callers that read once.
    pub readers: u8,
    /// Callers elsewhere that write once.
    pub writers: u8,
    /// How many loads fail.
    pub errors: u8,
    /// What is broken.
    pub mutant: Option<Mutant>,
}

impl Stale {
    /// The engine, as it is or with one rule broken.
    #[must_use]
    pub fn new(mutant: Option<Mutant>) -> Stale {
        Stale { readers: 3, writers: 2, errors: 2, mutant }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    Absent,
    Lease(u8),
    Value { id: u8, version: u8, old: bool },
}

/// A load: its number, what it is to replace, and the old value if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Load {
    since: Since,
    number: u8,
    id: u8,
    old: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Actor {
    Reader,
    Probing(Since),
    Loading(Load),
    Filling(Load, u8),
    /// The load failed; it looks once more.
    Looking(Load),
    /// The old value stood still at the last look.
    Serving(Load),
    /// Joined the load with this number.
    Following(Since, u8),
    Writer,
    Invalidating(u8),
    Done,
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    db: u8,
    entry: Entry,
    /// What was invalidated last, for whoever would serve that.
    voided: Option<u8>,
    ids: u8,
    actors: Vec<Actor>,
    loads: u8,
    /// Loads that are over: number, and the value for those that joined, if any.
    over: Vec<(u8, Option<u8>)>,
    errors: u8,
    watch: Watch,
}

/// Who did what: an actor's number, ids and versions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    Begin(usize),
    Join(usize, u8),
    Granted(usize, u8),
    FoundOld(usize, u8),
    Hit(usize, u8),
    Load(usize, u8),
    Fail(usize),
    Fill(usize, u8, bool),
    LookAgain(usize, bool),
    ServeOld(usize, u8),
    Error(usize),
    Shared(usize, u8),
    GoOn(usize),
    Commit(usize, u8),
    Unlink(usize, u8),
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

    fn is_over(&self, number: u8) -> bool {
        self.over.iter().any(|(over, _)| *over == number)
    }
}

impl Stale {
    fn begin(&self, state: &State, i: usize, next: &mut Next) {
        let since = state.watch.begin();
        let mut joined = None;
        for actor in &state.actors {
            let open = match actor {
                Actor::Loading(load) => Some(load),
                Actor::Serving(load) if self.is(Mutant::JoinAfterLook) => Some(load),
                Actor::Looking(load) if self.is(Mutant::JoinAfterLook) => Some(load),
                _ => None,
            };
            if let Some(load) = open.filter(|load| !state.is_over(load.number)) {
                joined = Some(load.number);
            }
        }
        if let Some(number) = joined {
            next.push((Step::Join(i, number), state.with(i, Actor::Following(since, number))));
        }
        next.push((Step::Begin(i), state.with(i, Actor::Probing(since))));
    }

    fn probe(&self, state: &State, i: usize, since: Since, next: &mut Next) {
        let mut after = state.clone();
        let number = state.loads;
        match state.entry {
            Entry::Absent => {
                after.loads += 1;
                after.ids += 1;
                let id = after.ids;
                after.entry = Entry::Lease(id);
                let old = state.voided.filter(|_| self.is(Mutant::ServeVoided));
                after.actors[i] = Actor::Loading(Load { since, number, id, old });
                next.push((Step::Granted(i, id), after));
            }
            Entry::Lease(_) => {}
            Entry::Value { version, old: false, .. } => {
                next.push((Step::Hit(i, version), state.returns(i, since, version)));
            }
            Entry::Value { id, version, old: true } => {
                after.loads += 1;
                let old = Some(version);
                after.actors[i] = Actor::Loading(Load { since, number, id, old });
                next.push((Step::FoundOld(i, version), after));
            }
        }
    }

    fn load(&self, state: &State, i: usize, load: Load, next: &mut Next) {
        next.push((Step::Load(i, state.db), state.with(i, Actor::Filling(load, state.db))));
        if state.errors > 0 {
            let unseen = self.is(Mutant::ServeUnseen) || self.is(Mutant::ServeVoided);
            let then = if unseen { Actor::Serving(load) } else { Actor::Looking(load) };
            let mut after = state.with(i, then);
            after.errors -= 1;
            next.push((Step::Fail(i), after));
        }
    }

    fn fill(&self, state: &State, i: usize, (load, version): (Load, u8), next: &mut Next) {
        let accepted = match state.entry {
            Entry::Lease(id) | Entry::Value { id, .. } => id == load.id,
            Entry::Absent => false,
        };
        let accepted = accepted || self.is(Mutant::ReplaceAnything);
        let mut after = if accepted {
            state.returns(i, load.since, version)
        } else {
            state.with(i, Actor::Probing(load.since))
        };
        if accepted {
            after.ids += 1;
            after.entry = Entry::Value { id: after.ids, version, old: false };
        }
        after.over.push((load.number, Some(version).filter(|_| accepted)));
        next.push((Step::Fill(i, version, accepted), after));
    }

    fn look(&self, state: &State, i: usize, load: Load, next: &mut Next) {
        let stands = matches!(state.entry, Entry::Value { id, .. } if id == load.id);
        let mut after = state.with(i, Actor::Serving(load));
        if !stands {
            after.actors[i] = Actor::Serving(Load { old: None, ..load });
        }
        next.push((Step::LookAgain(i, stands), after));
    }

    fn serve(&self, state: &State, i: usize, load: Load, next: &mut Next) {
        match load.old {
            Some(version) => {
                let mut after = state.returns(i, load.since, version);
                after.over.push((load.number, Some(version)));
                next.push((Step::ServeOld(i, version), after));
            }
            None => {
                let mut after = state.with(i, Actor::Done);
                after.over.push((load.number, None));
                if state.entry == Entry::Lease(load.id) {
                    after.entry = Entry::Absent;
                }
                next.push((Step::Error(i), after));
            }
        }
    }

    fn act(&self, state: &State, i: usize, next: &mut Next) {
        match state.actors[i] {
            Actor::Reader => self.begin(state, i, next),
            Actor::Probing(since) => self.probe(state, i, since, next),
            Actor::Loading(load) => self.load(state, i, load, next),
            Actor::Filling(load, version) => self.fill(state, i, (load, version), next),
            Actor::Looking(load) => self.look(state, i, load, next),
            Actor::Serving(load) => self.serve(state, i, load, next),
            Actor::Following(since, of) => {
                let over = state.over.iter().find(|(number, _)| *number == of);
                match over {
                    Some((_, Some(version))) => {
                        let after = state.returns(i, since, *version);
                        next.push((Step::Shared(i, *version), after));
                    }
                    Some((_, None)) => {
                        next.push((Step::GoOn(i), state.with(i, Actor::Probing(since))));
                    }
                    None => {}
                }
            }
            Actor::Writer => {
                let mut after = state.with(i, Actor::Invalidating(state.db + 1));
                after.db += 1;
                next.push((Step::Commit(i, after.db), after));
            }
            Actor::Invalidating(version) => {
                let mut after = state.with(i, Actor::Done);
                if let Entry::Value { version, .. } = state.entry {
                    after.voided = Some(version);
                }
                after.entry = Entry::Absent;
                after.watch.write_returned(version);
                next.push((Step::Unlink(i, version), after));
            }
            Actor::Done => {}
        }
    }
}

impl Protocol for Stale {
    type State = State;
    type Step = Step;

    fn start(&self, watch: Watch) -> State {
        let mut actors = vec![Actor::Reader; self.readers.into()];
        actors.resize(actors.len() + usize::from(self.writers), Actor::Writer);
        let entry = Entry::Value { id: 0, version: 0, old: true };
        let over = Vec::new();
        State {
            db: 0,
            entry,
            voided: None,
            ids: 0,
            actors,
            loads: 0,
            over,
            errors: self.errors,
            watch,
        }
    }

    fn steps(&self, state: &State, next: &mut Next) {
        for i in 0..state.actors.len() {
            self.act(state, i, next);
        }
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        match property {
            Property::Converges => {
                let quiet = state.actors.iter().all(|actor| *actor == Actor::Done);
                let stale =
                    matches!(state.entry, Entry::Value { version, .. } if version < state.db);
                !quiet || !stale
            }
            property => state.watch.holds(property),
        }
    }
}
