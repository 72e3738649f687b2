//! Requests that share a run of a handler: who may join, and what proves that a latecomer may (layers §3).
//!
//! Identical requests meet in one process; each run reads the database once. Writers elsewhere commit and then
//! draw another generation for the group that the request belongs to; one of this process may be refused that, and then the
//! group is dirty here. A generation may be lost, and is drawn anew. Left out: responses, bodies, failures: what decides
//! who may have an answer is when its run began, and whether the group stood still.

use crate::{Property, Protocol, Since, Watch};

/// Who may join a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Join {
    /// Nobody once it began; one group waits for its end.
    Fresh,
    /// Any request until the verification is sent.
    Fenced,
    /// Any request.
    Running,
}

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// The fence is raised when the run has read.
    FenceAfterRun,
    /// Requests join until the verification's answer is there.
    JoinVerification,
    /// Latecomers get what the run brought although the group moved.
    ShareMoved,
    /// Requests share although their process knows the group to be dirty.
    ShareDirty,
    /// A generation that was lost begins where it once began.
    GenerationsRecur,
}

/// Requests to one route, and writers.
#[derive(Clone, Copy, Debug)]
pub struct Fence {
    /// Requests.
    pub requests: u8,
    /// Writes to what the route shows.
    pub writers: u8,
    /// How often a generation is lost.
    pub losses: u8,
    /// How many writers of this process are refused by Redis.
    pub refusals: u8,
    /// Who may join.
    pub join: Join,
    /// What is broken.
    pub mutant: Option<Mutant>,
}

impl Fence {
    /// Three requests and a writer, under these rules.
    #[must_use]
    pub fn new(join: Join, mutant: Option<Mutant>) -> Fence {
        Fence { requests: 3, writers: 2, losses: 0, refusals: 0, join, mutant }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Waits for the run before it.
    Waiting,
    Fencing,
    Running,
    Ran(u8),
    /// The verification was sent.
    Verifying(u8),
    Verified(u8, bool),
    Over,
}

/// Members are bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flight {
    phase: Phase,
    members: u8,
    /// Members from before the run began.
    covered: u8,
    fence: Option<u8>,
    /// The starter's process knew the group to be dirty: the starter alone.
    alone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Writer {
    Idle,
    Bumping(u8),
    Queued,
    Done,
}

/// All there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    db: u8,
    generation: Option<u8>,
    generations: u8,
    dirty: u8,
    flights: Vec<Flight>,
    /// When each request began; none before it does.
    requests: Vec<Option<Since>>,
    answered: u8,
    writers: Vec<Writer>,
    losses: u8,
    refusals: u8,
    watch: Watch,
}

/// What happened, with the numbers of requests, flights and writers.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    Arrive(usize, usize),
    Raise(usize),
    Read(usize, u8),
    SendVerification(usize),
    Compare(usize, bool),
    Answer(usize),
    Commit(usize, u8),
    Bump(usize),
    Refused(usize),
    QueueBumps(usize),
    GenerationIsLost,
}

type Next = Vec<(Step, State)>;

impl Fence {
    fn look(&self, state: &mut State) -> u8 {
        if state.generation.is_none() {
            state.generations += 1;
            let recurs = self.is(Mutant::GenerationsRecur);
            state.generation = Some(if recurs { 1 } else { state.generations });
        }
        state.generation.unwrap_or_default()
    }

    fn bump(state: &mut State) {
        state.generations = (state.generations + 1).max(2);
        state.generation = Some(state.generations);
        state.dirty = state.dirty.saturating_sub(1);
    }

    fn joinable(&self, flight: &Flight) -> bool {
        match (self.join, flight.phase) {
            (_, Phase::Over) => false,
            _ if flight.alone => false,
            (_, Phase::Waiting) | (Join::Running, _) => true,
            (Join::Fenced, Phase::Fencing | Phase::Running | Phase::Ran(_)) => true,
            (Join::Fenced, Phase::Verifying(_) | Phase::Verified(..)) => {
                self.is(Mutant::JoinVerification)
            }
            (Join::Fresh, _) => false,
        }
    }

    fn arrive(&self, state: &State, next: &mut Next) {
        let Some(i) = state.requests.iter().position(Option::is_none) else { return };
        let mut after = state.clone();
        after.requests[i] = Some(state.watch.begin());
        let f = self.seat(&mut after, 1 << i);
        next.push((Step::Arrive(i, f), after));
    }

    /// Seats these requests in a flight that they may share, or in one of their own.
    fn seat(&self, state: &mut State, members: u8) -> usize {
        let alone = state.dirty > 0 && !self.is(Mutant::ShareDirty);
        let open = state.flights.iter().position(|flight| self.joinable(flight));
        match open.filter(|_| !alone) {
            Some(f) => {
                state.flights[f].members |= members;
                f
            }
            None => {
                let busy = |flight: &Flight| flight.phase != Phase::Over && !flight.alone;
                let waits = !alone && state.flights.iter().any(busy);
                let phase = if waits { Phase::Waiting } else { Phase::Fencing };
                state.flights.push(Flight { phase, members, covered: 0, fence: None, alone });
                state.flights.len() - 1
            }
        }
    }

    fn run(&self, state: &State, f: usize, next: &mut Next) {
        let mut after = state.clone();
        let flight = state.flights[f];
        match flight.phase {
            Phase::Waiting | Phase::Over => {}
            Phase::Fencing => {
                let late = self.is(Mutant::FenceAfterRun);
                let fence = if late { None } else { Some(self.look(&mut after)) };
                let flight = &mut after.flights[f];
                (flight.phase, flight.fence) = (Phase::Running, fence);
                flight.covered = flight.members;
                next.push((Step::Raise(f), after));
            }
            Phase::Running => {
                after.flights[f].phase = Phase::Ran(state.db);
                next.push((Step::Read(f, state.db), after));
            }
            Phase::Ran(_) if self.is(Mutant::FenceAfterRun) && flight.fence.is_none() => {
                after.flights[f].fence = Some(self.look(&mut after));
                next.push((Step::Raise(f), after));
            }
            Phase::Ran(version) => {
                after.flights[f].phase = match self.join {
                    Join::Fenced => Phase::Verifying(version),
                    _ => Phase::Verified(version, true),
                };
                next.push((Step::SendVerification(f), after));
            }
            Phase::Verifying(version) => {
                let clean = after.dirty == 0 || self.is(Mutant::ShareDirty);
                let stood = Some(self.look(&mut after)) == flight.fence && clean;
                let stood = stood || self.is(Mutant::ShareMoved);
                after.flights[f].phase = Phase::Verified(version, stood);
                next.push((Step::Compare(f, stood), after));
            }
            Phase::Verified(version, stood) => {
                self.answer(&mut after, f, version, stood);
                next.push((Step::Answer(f), after));
            }
        }
    }

    /// Those that joined before the run keep it in any case; the others form the next flight.
    fn answer(&self, after: &mut State, f: usize, version: u8, stood: bool) {
        let Flight { members, covered, .. } = after.flights[f];
        let given = if stood { members } else { covered };
        for i in (0..after.requests.len()).filter(|i| given & (1 << *i) != 0) {
            let since = after.requests[i].unwrap_or_default();
            after.watch.read_returned(since, version);
            after.answered |= 1 << i;
        }
        after.flights[f] =
            Flight { phase: Phase::Over, members: 0, covered: 0, fence: None, alone: false };
        if let Some(waiting) = after.flights.iter_mut().find(|w| w.phase == Phase::Waiting) {
            waiting.phase = Phase::Fencing;
        }
        if members & !given != 0 {
            self.seat(after, members & !given);
        }
    }

    fn write(&self, state: &State, i: usize, next: &mut Next) {
        let mut after = state.clone();
        match state.writers[i] {
            Writer::Idle => {
                after.db += 1;
                after.writers[i] = Writer::Bumping(after.db);
                next.push((Step::Commit(i, after.db), after));
            }
            Writer::Bumping(version) => {
                if state.refusals > 0 {
                    let mut after = state.clone();
                    after.refusals -= 1;
                    after.dirty += 1;
                    after.writers[i] = Writer::Queued;
                    after.watch.write_returned(version);
                    next.push((Step::Refused(i), after));
                }
                let dirty = after.dirty;
                Fence::bump(&mut after);
                after.dirty = dirty;
                after.writers[i] = Writer::Done;
                after.watch.write_returned(version);
                next.push((Step::Bump(i), after));
            }
            Writer::Queued => {
                Fence::bump(&mut after);
                after.writers[i] = Writer::Done;
                next.push((Step::QueueBumps(i), after));
            }
            Writer::Done => {}
        }
    }
}

impl Protocol for Fence {
    type State = State;
    type Step = Step;

    fn start(&self, watch: Watch) -> State {
        State {
            db: 0,
            generation: None,
            generations: 0,
            dirty: 0,
            flights: Vec::new(),
            requests: vec![None; self.requests.into()],
            answered: 0,
            writers: vec![Writer::Idle; self.writers.into()],
            losses: self.losses,
            refusals: self.refusals,
            watch,
        }
    }

    fn steps(&self, state: &State, next: &mut Next) {
        self.arrive(state, next);
        for f in 0..state.flights.len() {
            self.run(state, f, next);
        }
        for i in 0..state.writers.len() {
            self.write(state, i, next);
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
            Property::Served => {
                let all = state.requests.iter().all(Option::is_some);
                let still = state.flights.iter().all(|flight| flight.phase == Phase::Over);
                let answered = state.answered.count_ones() as usize == state.requests.len();
                let waits = state.flights.iter().any(|flight| flight.phase == Phase::Waiting);
                let runs = state
                    .flights
                    .iter()
                    .any(|flight| !matches!(flight.phase, Phase::Over | Phase::Waiting));
                (!(all && still) || answered) && (!waits || runs)
            }
            property => state.watch.holds(property),
        }
    }
}
