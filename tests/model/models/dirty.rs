//! A process that writes and keeps copies: it reads what it wrote, also while Redis is away (engine §5, protocol §4.5).
//!
//! Readers and writers of one process share a tier, a dirty count and an epoch; a reader of another process may fill Redis
//! at any moment at which the key is absent. A writer's UNLINK may fail: then the write returns all the same, with a receipt
//! that says so, and its item in the queue is sent later. Left out: leases (a fill is one step here), flights, and pushes
//! from Redis, which may come arbitrarily late and so must not be what this rests on.

use crate::{Property, Protocol, Watch, property::Since};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Two writers of one key count as one.
    DirtyIsASet,
    /// The key is voided in this process before the UNLINK alone.
    VoidOnce,
    /// Readers look into Redis although the key is dirty.
    LookWhileDirty,
    /// Copies enter without a ticket.
    InsertWithoutTicket,
    /// Readers get tickets although the key is dirty.
    TicketWhileDirty,
    /// A write whose UNLINK failed is clean when it returns.
    CleanWhenItReturns,
}

/// One process, its readers and its writers.
#[derive(Clone, Copy, Debug)]
pub struct Dirty {
    /// Callers that read once.
    pub readers: u8,
    /// Callers that write once.
    pub writers: u8,
    /// How many UNLINKs fail.
    pub failures: u8,
    /// What is broken.
    pub mutant: Option<Mutant>,
}

impl Dirty {
    /// The engine, as it is or with one rule broken.
    #[must_use]
    pub fn new(mutant: Option<Mutant>) -> Dirty {
        Dirty { readers: 3, writers: 2, failures: 1, mutant }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Actor {
    Reader,
    /// It missed in the tier, and has a ticket of this epoch, or none.
    Asking(Since, Option<u8>),
    Inserting(Since, Option<u8>, u8),
    Direct(Since),
    Writer,
    /// Committed.
    Voiding(u8),
    Unlinking(u8),
    VoidingAgain(u8),
    Returning(u8),
    /// Returned, with an item left in the queue.
    Queued,
    /// The queue's UNLINK was acknowledged.
    Cleaning,
    Done,
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    db: u8,
    redis: Option<u8>,
    tier: Option<u8>,
    dirty: u8,
    epoch: u8,
    actors: Vec<Actor>,
    failures: u8,
    watch: Watch,
}

/// Who did what: an actor's number, and versions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    HitInTier(usize, u8),
    MissInTier(usize),
    GoDirect(usize),
    HitInRedis(usize, u8),
    LoadAndFill(usize, u8),
    Insert(usize, u8, bool),
    Direct(usize, u8),
    Commit(usize, u8),
    Void(usize),
    Unlink(usize),
    UnlinkFails(usize),
    VoidAgain(usize),
    Return(usize, u8),
    QueueUnlinks(usize),
    QueueCleans(usize),
    SomebodyFills(u8),
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

impl Dirty {
    fn begin(&self, state: &State, i: usize, next: &mut Next) {
        let since = state.watch.begin();
        if let Some(version) = state.tier {
            return next.push((Step::HitInTier(i, version), state.returns(i, since, version)));
        }
        let dirty = state.dirty > 0;
        if dirty && !self.is(Mutant::LookWhileDirty) && !self.is(Mutant::TicketWhileDirty) {
            return next.push((Step::GoDirect(i), state.with(i, Actor::Direct(since))));
        }
        let ticket = (!dirty || self.is(Mutant::TicketWhileDirty)).then_some(state.epoch);
        next.push((Step::MissInTier(i), state.with(i, Actor::Asking(since, ticket))));
    }

    fn ask(&self, state: &State, i: usize, (since, ticket): (Since, Option<u8>), next: &mut Next) {
        match state.redis {
            Some(version) => {
                let after = state.with(i, Actor::Inserting(since, ticket, version));
                next.push((Step::HitInRedis(i, version), after));
            }
            None => {
                let mut after = state.returns(i, since, state.db);
                after.redis = Some(state.db);
                next.push((Step::LoadAndFill(i, state.db), after));
            }
        }
    }

    fn insert(&self, state: &State, i: usize, ticket: Option<u8>) -> bool {
        let valid = ticket == Some(state.epoch);
        let clean = state.dirty == 0 || self.is(Mutant::TicketWhileDirty);
        debug_assert!(i < state.actors.len());
        (valid && clean) || self.is(Mutant::InsertWithoutTicket)
    }

    fn void(&self, state: &State, i: usize, version: u8) -> State {
        let mut after = state.with(i, Actor::Unlinking(version));
        after.dirty = match self.mutant {
            Some(Mutant::VoidOnce) => after.dirty,
            Some(Mutant::DirtyIsASet) => 1,
            _ => after.dirty + 1,
        };
        after.epoch += 1;
        after.tier = None;
        after
    }

    fn clean(&self, state: &State, i: usize, then: Actor) -> State {
        let mut after = state.with(i, then);
        if !self.is(Mutant::VoidOnce) {
            after.dirty = after.dirty.saturating_sub(1);
            after.epoch += 1;
            after.tier = None;
        }
        after
    }

    fn unlink(&self, state: &State, i: usize, version: u8, next: &mut Next) {
        let mut after = state.with(i, Actor::VoidingAgain(version));
        after.redis = None;
        next.push((Step::Unlink(i), after));
        if state.failures > 0 {
            let mut after = state.with(i, Actor::Returning(version));
            after.failures -= 1;
            after.dirty -= u8::from(self.is(Mutant::CleanWhenItReturns));
            next.push((Step::UnlinkFails(i), after));
        }
    }

    fn act(&self, state: &State, i: usize, next: &mut Next) {
        match state.actors[i] {
            Actor::Reader => self.begin(state, i, next),
            Actor::Asking(since, ticket) => self.ask(state, i, (since, ticket), next),
            Actor::Inserting(since, ticket, version) => {
                let mut after = state.returns(i, since, version);
                let enters = self.insert(state, i, ticket);
                after.tier = if enters { Some(version) } else { after.tier };
                next.push((Step::Insert(i, version, enters), after));
            }
            Actor::Direct(since) => {
                next.push((Step::Direct(i, state.db), state.returns(i, since, state.db)));
            }
            Actor::Writer => {
                let mut after = state.with(i, Actor::Voiding(state.db + 1));
                after.db += 1;
                next.push((Step::Commit(i, after.db), after));
            }
            Actor::Voiding(version) => next.push((Step::Void(i), self.void(state, i, version))),
            Actor::Unlinking(version) => self.unlink(state, i, version, next),
            Actor::VoidingAgain(version) => {
                let mut after = self.clean(state, i, Actor::Done);
                after.watch.write_returned(version);
                next.push((Step::VoidAgain(i), after));
            }
            Actor::Returning(version) => {
                let mut after = state.with(i, Actor::Queued);
                after.watch.write_returned(version);
                next.push((Step::Return(i, version), after));
            }
            Actor::Queued => {
                let mut after = state.with(i, Actor::Cleaning);
                after.redis = None;
                next.push((Step::QueueUnlinks(i), after));
            }
            Actor::Cleaning => {
                let then = Actor::Done;
                let after = match self.mutant {
                    Some(Mutant::CleanWhenItReturns) => state.with(i, then),
                    _ => self.clean(state, i, then),
                };
                next.push((Step::QueueCleans(i), after));
            }
            Actor::Done => {}
        }
    }
}

impl Protocol for Dirty {
    type State = State;
    type Step = Step;

    fn start(&self, watch: Watch) -> State {
        let mut actors = vec![Actor::Reader; self.readers.into()];
        actors.resize(actors.len() + usize::from(self.writers), Actor::Writer);
        let (redis, failures) = (Some(0), self.failures);
        State { db: 0, redis, tier: None, dirty: 0, epoch: 0, actors, failures, watch }
    }

    fn steps(&self, state: &State, next: &mut Next) {
        for i in 0..state.actors.len() {
            self.act(state, i, next);
        }
        if state.redis.is_none() {
            let redis = Some(state.db);
            next.push((Step::SomebodyFills(state.db), State { redis, ..state.clone() }));
        }
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        match property {
            // All writers here are of this process.
            Property::OwnWrites => state.watch.holds(Property::Regular),
            Property::Converges => {
                let quiet = state.actors.iter().all(|actor| *actor == Actor::Done);
                let stale = |found: Option<u8>| found.is_some_and(|version| version < state.db);
                !quiet || !(stale(state.redis) || stale(state.tier) || state.dirty > 0)
            }
            _ => true,
        }
    }
}
