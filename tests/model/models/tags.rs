//! Entries under a tag: generations read before the load, and once more after the fill (protocol §4.11).
//!
//! A tag's generation is a key of its own in Redis; invalidating the tag draws another one, which touches neither leases nor
//! entries nor flights. Readers of one process share the load of one key under one tag; whoever comes while it runs may
//! join it. A generation may be lost, and is then drawn anew by whoever asks. A writer's command may be refused: then the
//! tag waits for its invalidation in that process. Left out: invalidations of the key itself ([`flight`](super::flight)).

use crate::{Property, Protocol, Since, Watch};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// The generation is read when the load has ended.
    StampAfterLoad,
    /// Whether the fill was accepted says who shares; the generation is not read again.
    ShareOutdated,
    /// A generation that was lost begins again where it once began.
    GenerationsRecur,
    /// A hit does not look at the generation.
    HitWithoutLooking,
    /// Redis is asked although the tag waits for its invalidation.
    ReadDirtyTags,
    /// A key that is used as a tag keeps its generation when it is invalidated.
    KeepOwnGeneration,
}

/// One key, its tag, readers of one process and writers of the tag.
#[derive(Clone, Copy, Debug)]
pub struct Tags {
    /// Callers that read once.
    pub readers: u8,
    /// Callers that invalidate the tag once.
    pub writers: u8,
    /// How often the generation may be lost.
    pub losses: u8,
    /// How many invalidations Redis may refuse.
    pub refusals: u8,
    /// What is broken.
    pub mutant: Option<Mutant>,
}

impl Tags {
    /// The engine, as it is or with one rule broken.
    #[must_use]
    pub fn new(mutant: Option<Mutant>) -> Tags {
        Tags { readers: 3, writers: 2, losses: 0, refusals: 0, mutant }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Entry {
    Absent,
    Lease(u8),
    Value { id: u8, version: u8, stamp: u8 },
}

/// A load and what it runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Load {
    since: Since,
    lease: u8,
    stamp: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Actor {
    Reader,
    Probing(Since),
    /// A value was found, and its generation is asked for.
    Comparing(Since, u8, u8, u8),
    /// An entry that is out of date is to be replaced.
    Replacing(Since, u8),
    Stamping(Since, u8),
    Loading(Load),
    Filling(Load, u8),
    Verifying(Load, u8),
    /// Joined the load under this lease while it ran.
    Following(Since, u8),
    Direct(Since),
    Writer,
    Invalidating(u8),
    /// Returned; its invalidation still waits.
    Queued,
    Done,
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    db: u8,
    entry: Entry,
    /// None: lost, or never asked for.
    generation: Option<u8>,
    generations: u8,
    ids: u8,
    dirty: u8,
    actors: Vec<Actor>,
    /// Loads that are over: lease, version, whether latecomers share it.
    over: Vec<(u8, u8, bool)>,
    losses: u8,
    refusals: u8,
    watch: Watch,
}

/// Who did what: an actor's number, ids, generations and versions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    Begin(usize),
    Join(usize, u8),
    Granted(usize, u8),
    Found(usize, u8),
    Hit(usize, u8),
    Outdated(usize),
    Replaced(usize, bool),
    Stamp(usize, u8),
    Load(usize, u8),
    Fill(usize, u8, bool),
    Verify(usize, bool),
    Shared(usize, u8),
    GoOn(usize),
    Direct(usize, u8),
    Commit(usize, u8),
    Invalidate(usize, u8),
    Refused(usize),
    QueueInvalidates(usize),
    GenerationIsLost,
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

    fn lease(&mut self) -> u8 {
        self.ids += 1;
        self.entry = Entry::Lease(self.ids);
        self.ids
    }
}

impl Tags {
    /// Where Redis may refuse a writer it is one of this process, which notes the tag as dirty meanwhile.
    fn of_this_process(&self) -> u8 {
        u8::from(self.refusals > 0)
    }

    /// `SET NX GET`: the generation, or a fresh one.
    fn generation(&self, state: &mut State) -> u8 {
        if state.generation.is_none() {
            state.generations += 1;
            let recurs = self.is(Mutant::GenerationsRecur);
            state.generation = Some(if recurs { 1 } else { state.generations });
        }
        state.generation.unwrap_or_default()
    }

    fn draw(&self, state: &mut State) {
        if !self.is(Mutant::KeepOwnGeneration) {
            state.generations += 1;
            // Also where lost ones recur the next one is another.
            state.generations = state.generations.max(2);
            state.generation = Some(state.generations);
        }
    }

    fn begin(&self, state: &State, i: usize, next: &mut Next) {
        let since = state.watch.begin();
        if state.dirty > 0 && !self.is(Mutant::ReadDirtyTags) {
            return next.push((Step::Begin(i), state.with(i, Actor::Direct(since))));
        }
        for actor in &state.actors {
            if let Actor::Loading(load) | Actor::Filling(load, _) = actor
                && !state.over.iter().any(|(lease, ..)| *lease == load.lease)
            {
                let after = state.with(i, Actor::Following(since, load.lease));
                next.push((Step::Join(i, load.lease), after));
            }
        }
        next.push((Step::Begin(i), state.with(i, Actor::Probing(since))));
    }

    fn probe(&self, state: &State, i: usize, since: Since, next: &mut Next) {
        match state.entry {
            Entry::Absent => {
                let mut after = state.clone();
                let id = after.lease();
                after.actors[i] = Actor::Stamping(since, id);
                next.push((Step::Granted(i, id), after));
            }
            Entry::Lease(_) => {}
            Entry::Value { id, version, stamp } => {
                let after = state.with(i, Actor::Comparing(since, id, version, stamp));
                next.push((Step::Found(i, version), after));
            }
        }
    }

    fn compare(&self, state: &State, i: usize, found: (Since, u8, u8, u8), next: &mut Next) {
        let (since, id, version, stamp) = found;
        let mut after = state.clone();
        let current = self.generation(&mut after) == stamp;
        if current || self.is(Mutant::HitWithoutLooking) {
            return next.push((Step::Hit(i, version), after.returns(i, since, version)));
        }
        after.actors[i] = Actor::Replacing(since, id);
        next.push((Step::Outdated(i), after));
    }

    fn replace(&self, state: &State, i: usize, (since, seen): (Since, u8), next: &mut Next) {
        let mut after = state.with(i, Actor::Probing(since));
        let there = matches!(state.entry, Entry::Value { id, .. } if id == seen);
        if there {
            let id = after.lease();
            after.actors[i] = Actor::Stamping(since, id);
        }
        next.push((Step::Replaced(i, there), after));
    }

    fn fill(&self, state: &State, i: usize, (mut load, version): (Load, u8), next: &mut Next) {
        let mut after = state.clone();
        if self.is(Mutant::StampAfterLoad) {
            load.stamp = self.generation(&mut after);
        }
        let accepted = state.entry == Entry::Lease(load.lease);
        if accepted {
            after.ids += 1;
            let (id, stamp) = (after.ids, load.stamp);
            after.entry = Entry::Value { id, version, stamp };
        }
        after.actors[i] = Actor::Verifying(load, version);
        // The flight is closed from here on.
        after.over.push((load.lease, version, false));
        next.push((Step::Fill(i, version, accepted), after));
    }

    fn verify(&self, state: &State, i: usize, (load, version): (Load, u8), next: &mut Next) {
        let mut after = state.clone();
        let unchanged = self.generation(&mut after) == load.stamp;
        let shares = (unchanged && after.dirty == 0) || self.is(Mutant::ShareOutdated);
        for over in after.over.iter_mut().filter(|over| over.0 == load.lease) {
            over.2 = shares;
        }
        // Who began before the load keeps its value in any case.
        next.push((Step::Verify(i, shares), after.returns(i, load.since, version)));
    }

    fn follow(&self, state: &State, i: usize, (since, lease): (Since, u8), next: &mut Next) {
        let verifying =
            |actor: &Actor| matches!(actor, Actor::Verifying(load, _) if load.lease == lease);
        if state.actors.iter().any(verifying) {
            return;
        }
        for &(of, version, shares) in &state.over {
            if of == lease && shares {
                next.push((Step::Shared(i, version), state.returns(i, since, version)));
            } else if of == lease {
                next.push((Step::GoOn(i), state.with(i, Actor::Probing(since))));
            }
        }
    }

    fn act(&self, state: &State, i: usize, next: &mut Next) {
        match state.actors[i] {
            Actor::Reader => self.begin(state, i, next),
            Actor::Probing(since) => self.probe(state, i, since, next),
            Actor::Comparing(since, id, version, stamp) => {
                self.compare(state, i, (since, id, version, stamp), next);
            }
            Actor::Replacing(since, seen) => self.replace(state, i, (since, seen), next),
            Actor::Stamping(since, lease) => {
                let mut after = state.clone();
                let stamp = self.generation(&mut after);
                after.actors[i] = Actor::Loading(Load { since, lease, stamp });
                next.push((Step::Stamp(i, stamp), after));
            }
            Actor::Loading(load) => {
                next.push((Step::Load(i, state.db), state.with(i, Actor::Filling(load, state.db))));
            }
            Actor::Filling(load, version) => self.fill(state, i, (load, version), next),
            Actor::Verifying(load, version) => self.verify(state, i, (load, version), next),
            Actor::Following(since, lease) => self.follow(state, i, (since, lease), next),
            Actor::Direct(since) => {
                next.push((Step::Direct(i, state.db), state.returns(i, since, state.db)));
            }
            Actor::Writer | Actor::Invalidating(_) | Actor::Queued => self.write(state, i, next),
            Actor::Done => {}
        }
    }

    fn write(&self, state: &State, i: usize, next: &mut Next) {
        let mut after = state.with(i, Actor::Done);
        match state.actors[i] {
            Actor::Writer => {
                after.db += 1;
                after.dirty += self.of_this_process();
                after.actors[i] = Actor::Invalidating(after.db);
                next.push((Step::Commit(i, after.db), after));
            }
            Actor::Invalidating(version) => {
                if state.refusals > 0 {
                    let mut after = state.with(i, Actor::Queued);
                    after.refusals -= 1;
                    after.watch.write_returned(version);
                    next.push((Step::Refused(i), after));
                }
                self.draw(&mut after);
                after.dirty -= self.of_this_process();
                after.watch.write_returned(version);
                next.push((Step::Invalidate(i, version), after));
            }
            _ => {
                self.draw(&mut after);
                after.dirty -= 1;
                next.push((Step::QueueInvalidates(i), after));
            }
        }
    }
}

impl Protocol for Tags {
    type State = State;
    type Step = Step;

    fn start(&self, watch: Watch) -> State {
        let mut actors = vec![Actor::Reader; self.readers.into()];
        actors.resize(actors.len() + usize::from(self.writers), Actor::Writer);
        State {
            db: 0,
            entry: Entry::Absent,
            generation: None,
            generations: 0,
            ids: 0,
            dirty: 0,
            actors,
            over: Vec::new(),
            losses: self.losses,
            refusals: self.refusals,
            watch,
        }
    }

    fn steps(&self, state: &State, next: &mut Next) {
        for i in 0..state.actors.len() {
            self.act(state, i, next);
        }
        if state.losses > 0 && state.generation.is_some() {
            let losses = state.losses - 1;
            next.push((
                Step::GenerationIsLost,
                State { generation: None, losses, ..state.clone() },
            ));
        }
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        match property {
            Property::Converges => {
                let quiet = state.actors.iter().all(|actor| *actor == Actor::Done);
                let stale = match state.entry {
                    Entry::Value { version, stamp, .. } => {
                        version < state.db && state.generation == Some(stamp)
                    }
                    _ => false,
                };
                !quiet || !stale
            }
            property => state.watch.holds(property),
        }
    }
}
