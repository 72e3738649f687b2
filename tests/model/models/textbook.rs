//! What is commonly done instead of leases: each way must fail here, or the checker is blind (protocol §3, R01 to R06).
//!
//! Readers look into the cache, read the database on a miss, and fill; writers commit and delete. Every arrow is a step of
//! its own, so a reader may sleep between its read and its fill for as long as it takes. Left out: expiry by time of plain
//! values, which only hides a stale one sooner.

use crate::{Property, Protocol, Since, Watch};

/// How a cache is kept next to a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Delete, then commit.
    DeleteFirst,
    /// Commit, then delete.
    CommitDelete,
    /// Commit, then delete; fill only what is absent.
    FillIfAbsent,
    /// Delete, commit, delete again.
    DoubleDelete,
    /// A lock by owner beside the value; a deleted value is served while one reader refills it.
    TagDeleteWeak,
    /// The same, but readers wait while there is a lock.
    TagDeleteStrong,
}

/// Readers and writers of one key that go one of these ways.
#[derive(Clone, Copy, Debug)]
pub struct Textbook {
    /// The way.
    pub way: Way,
    /// Callers that read once.
    pub readers: u8,
    /// Callers that write once.
    pub writers: u8,
    /// Whether the key is cached at the start.
    pub warm: bool,
    /// How many processes may die.
    pub crashes: u8,
    /// How many locks may run out.
    pub expiries: u8,
}

impl Textbook {
    /// Three readers and a writer on an empty cache.
    #[must_use]
    pub fn new(way: Way) -> Textbook {
        Textbook { way, readers: 3, writers: 1, warm: false, crashes: 0, expiries: 1 }
    }

    fn locks(&self) -> bool {
        matches!(self.way, Way::TagDeleteWeak | Way::TagDeleteStrong)
    }
}

/// What the cache holds: a value, a lock, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Entry {
    value: Option<u8>,
    lock: Lock,
}

/// The lock beside a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Lock {
    /// The value is good.
    #[default]
    None,
    /// The value was deleted, or its lock ran out: whoever comes takes it.
    Free,
    /// Somebody refills.
    Held(u8),
}

/// How far a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Actor {
    /// A reader that has not begun.
    Reader,
    Looking(Since),
    Loading(Refill),
    Filling(Refill, u8),
    /// A writer that has not begun.
    Writer,
    Committing,
    Deleting(u8),
    Done,
}

/// A load on its way into the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Refill {
    /// None if the caller has been answered already.
    since: Option<Since>,
    token: u8,
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    db: u8,
    entry: Option<Entry>,
    tokens: u8,
    actors: Vec<Actor>,
    crashes: u8,
    expiries: u8,
    watch: Watch,
}

/// Who did what: an actor's number, and versions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    Begin(usize),
    Hit(usize, u8),
    Miss(usize),
    ServeOld(usize, u8),
    Load(usize, u8),
    Fill(usize, u8),
    DeleteFirst(usize),
    Commit(usize, u8),
    Delete(usize, u8),
    Crash(usize),
    LockRunsOut,
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
}

impl Textbook {
    fn look(&self, state: &State, i: usize, since: Since, next: &mut Next) {
        if self.locks() {
            return self.look_at_lock(state, i, since, next);
        }
        match state.entry.and_then(|entry| entry.value) {
            Some(found) => next.push((Step::Hit(i, found), state.returns(i, since, found))),
            None => {
                let refill = Refill { since: Some(since), token: 0 };
                next.push((Step::Miss(i), state.with(i, Actor::Loading(refill))));
            }
        }
    }

    fn look_at_lock(&self, state: &State, i: usize, since: Since, next: &mut Next) {
        let Entry { value, lock } = state.entry.unwrap_or(Entry { value: None, lock: Lock::Free });
        match (lock, value) {
            (Lock::Free, value) => {
                let token = state.tokens;
                let serves_old = value.filter(|_| self.way == Way::TagDeleteWeak);
                let refill = Refill { since: Some(since).filter(|_| serves_old.is_none()), token };
                let (step, mut after) = match serves_old {
                    Some(old) => (Step::ServeOld(i, old), state.returns(i, since, old)),
                    None => (Step::Miss(i), state.clone()),
                };
                after.actors[i] = Actor::Loading(refill);
                after.entry = Some(Entry { value, lock: Lock::Held(token) });
                after.tokens += 1;
                next.push((step, after));
            }
            (Lock::Held(_), Some(old)) if self.way == Way::TagDeleteWeak => {
                next.push((Step::Hit(i, old), state.returns(i, since, old)));
            }
            (Lock::Held(_), _) => {}
            (Lock::None, value) => {
                let found = value.expect("an entry without a lock has a value");
                next.push((Step::Hit(i, found), state.returns(i, since, found)));
            }
        }
    }

    fn fill(&self, state: &State, i: usize, refill: Refill, version: u8, next: &mut Next) {
        let filled = Some(Entry { value: Some(version), lock: Lock::None });
        let fits = match self.way {
            Way::FillIfAbsent => state.entry.is_none(),
            _ if self.locks() => state.entry.is_some_and(|e| e.lock == Lock::Held(refill.token)),
            _ => true,
        };
        let mut after = match refill.since {
            Some(since) => state.returns(i, since, version),
            None => state.with(i, Actor::Done),
        };
        if fits {
            after.entry = filled;
        }
        next.push((Step::Fill(i, version), after));
    }

    fn delete(&self, entry: Option<Entry>) -> Option<Entry> {
        if !self.locks() {
            return None;
        }
        entry.map(|Entry { value, .. }| Entry { value, lock: Lock::Free })
    }

    fn act(&self, state: &State, i: usize, next: &mut Next) {
        match state.actors[i] {
            Actor::Reader => {
                next.push((Step::Begin(i), state.with(i, Actor::Looking(state.watch.begin()))));
            }
            Actor::Looking(since) => self.look(state, i, since, next),
            Actor::Loading(refill) => {
                let after = state.with(i, Actor::Filling(refill, state.db));
                next.push((Step::Load(i, state.db), after));
            }
            Actor::Filling(refill, version) => self.fill(state, i, refill, version, next),
            Actor::Writer if matches!(self.way, Way::DeleteFirst | Way::DoubleDelete) => {
                let mut after = state.with(i, Actor::Committing);
                after.entry = None;
                next.push((Step::DeleteFirst(i), after));
            }
            Actor::Writer => next.push((Step::Begin(i), state.with(i, Actor::Committing))),
            Actor::Committing => self.commit(state, i, next),
            Actor::Deleting(version) => {
                let mut after = state.with(i, Actor::Done);
                after.entry = self.delete(state.entry);
                after.watch.write_returned(version);
                next.push((Step::Delete(i, version), after));
            }
            Actor::Done => {}
        }
    }

    fn commit(&self, state: &State, i: usize, next: &mut Next) {
        let version = state.db + 1;
        let mut after = state.with(i, Actor::Deleting(version));
        after.db = version;
        if self.way == Way::DeleteFirst {
            after.actors[i] = Actor::Done;
            after.watch.write_returned(version);
        }
        next.push((Step::Commit(i, version), after));
    }
}

impl Protocol for Textbook {
    type State = State;
    type Step = Step;

    fn start(&self, watch: Watch) -> State {
        let mut actors = vec![Actor::Reader; self.readers.into()];
        actors.resize(actors.len() + usize::from(self.writers), Actor::Writer);
        let entry = self.warm.then_some(Entry { value: Some(0), lock: Lock::None });
        let (crashes, expiries) = (self.crashes, self.expiries);
        State { db: 0, entry, tokens: 0, actors, crashes, expiries, watch }
    }

    fn steps(&self, state: &State, next: &mut Next) {
        for i in 0..state.actors.len() {
            self.act(state, i, next);
            let under_way = !matches!(state.actors[i], Actor::Reader | Actor::Writer | Actor::Done);
            if state.crashes > 0 && under_way {
                let mut after = state.with(i, Actor::Done);
                after.crashes -= 1;
                next.push((Step::Crash(i), after));
            }
        }
        if let Some(Entry { value, lock: Lock::Held(_) }) = state.entry
            && state.expiries > 0
        {
            let mut after = state.clone();
            after.expiries -= 1;
            after.entry = Some(Entry { value, lock: Lock::Free });
            next.push((Step::LockRunsOut, after));
        }
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        match property {
            Property::Converges => {
                let quiet = state.actors.iter().all(|actor| *actor == Actor::Done);
                let good = |entry: Entry| match (entry.lock, entry.value) {
                    (Lock::None, Some(version)) => version >= state.db,
                    _ => true,
                };
                !quiet || state.entry.is_none_or(good)
            }
            property => state.watch.holds(property),
        }
    }
}
