//! The flights of one process, over a store that others share: who may join, lead, share, and take over (engine §3, §4).
//!
//! Callers of one process ask for one key and share flights; commands travel by themselves and are carried out at any later
//! moment, also when whoever sent them is gone. Other processes write, and read through leases of their own. A caller may be
//! dropped between any two steps; a leader may stay alive and not be polled; an answer may be lost, before
//! the command was carried out or after. A lease runs out as often as `expiries` says and no oftener, so [`Property::Served`] says
//! that nobody has to wait for that; this is so over one connection, where a lease is given up after the probe
//! that asked for it. [`Property::Converges`] says here that no lease is left when all is over. Left out: wakers (whoever could go on may), tags, copies in the process, loader errors.
//!
//! Callers that have not begun are alike, so they begin in order.

mod leader;
mod outside;
mod state;

pub use state::{Command, State};

use crate::trace::{Seen, Touch, Traced};
use crate::{Property, Protocol, Watch};
use state::{At, Budget, Caller, Entry, Flight, Foreign, Phase, Slot, Work, Writer, bit};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// Newcomers join while a probe is under way.
    JoinProbe,
    /// Newcomers join while a fill is under way.
    JoinFill,
    /// Newcomers join a load past the cache.
    JoinDirect,
    /// A refused value is shared with members that joined during the load.
    ShareRefused,
    /// A refused value is returned without a probe.
    ReturnRefused,
    /// A value whose fill is unknown is shared with members that joined during the load.
    ShareUnknown,
    /// A refused value is returned only with a hit or another load: callers load twice.
    LoadAgain,
    /// A probe that is sent again has the id of the first.
    SameProbeId,
    /// A value keeps its lease's id.
    KeepLeaseId,
    /// A lease of a probe whose answer was lost is taken for somebody else's.
    NoAdoption,
    /// A leader that is dropped keeps the role.
    NoHandOver,
    /// A flight waits for one whose leader is not polled.
    NextWaits,
    /// A flight that is set aside keeps its ids.
    IdsStayBehind,
    /// An invalidation leaves the flight in its place.
    NoDetach,
    /// A flight goes by Redis although its key is dirty.
    LookWhileDirty,
    /// The ids of a flight that ended are not given up.
    NoGiveUp,
}

/// What happens to one key.
#[derive(Clone, Copy, Debug)]
pub struct Flights {
    /// Callers of this process that read once.
    pub callers: u8,
    /// Writers of this process; their UNLINK may be refused, then the key stays dirty when they return.
    pub writers: u8,
    /// Writers elsewhere.
    pub foreign_writers: u8,
    /// Readers elsewhere.
    pub foreign_readers: u8,
    /// How many callers may be dropped.
    pub cancels: u8,
    /// How often a member may lose patience with a leader that is alive.
    pub impatience: u8,
    /// How many leaders may stop being polled.
    pub stalls: u8,
    /// How many answers may be lost.
    pub lost: u8,
    /// How many leases may run out.
    pub expiries: u8,
    /// Whether commands are carried out in the order they were sent in, as over one connection that does not break.
    pub in_order: bool,
    /// Whether a lease that no load runs under runs out whenever it likes, beyond `expiries`.
    pub idle_leases_end: bool,
    /// What is broken.
    pub mutant: Option<Mutant>,
}

impl Flights {
    /// Three callers and nothing else.
    #[must_use]
    pub fn new(mutant: Option<Mutant>) -> Flights {
        Flights {
            callers: 3,
            writers: 0,
            foreign_writers: 0,
            foreign_readers: 0,
            cancels: 0,
            impatience: 0,
            stalls: 0,
            lost: 0,
            expiries: 0,
            in_order: false,
            idle_leases_end: false,
            mutant,
        }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn joinable(&self, flight: &Flight) -> bool {
        !flight.over
            && match flight.phase {
                Phase::Unsent | Phase::Leased | Phase::Loading => true,
                Phase::ProbeSent => self.is(Mutant::JoinProbe),
                Phase::FillSent => self.is(Mutant::JoinFill),
                Phase::Direct => self.is(Mutant::JoinDirect),
            }
    }

    fn begin(&self, state: &State, next: &mut Next) {
        let Some(i) = state.callers.iter().position(|caller| caller.at == At::Idle) else { return };
        let mut after = state.clone();
        let flight = match (state.slot.current, state.slot.next) {
            (Some(current), _) if self.joinable(&state.flights[current]) => current,
            (Some(_), Some(waiting)) => waiting,
            (Some(_), None) => {
                let new = after.new_flight(false);
                after.slot.next = Some(new);
                new
            }
            (None, _) => {
                let new = after.new_flight(true);
                after.slot.current = Some(new);
                new
            }
        };
        after.flights[flight].members |= bit(i);
        after.callers[i] = Caller { at: At::Waiting(flight), since: state.watch.begin(), loads: 0 };
        next.push((Step::Join(i, flight), after));
    }

    fn wait(&self, state: &State, i: usize, f: usize, next: &mut Next) {
        let flight = &state.flights[f];
        if flight.started && !flight.over && flight.leader.is_none() {
            let mut after = state.clone();
            let flight = &mut after.flights[f];
            flight.leader = Some(i);
            flight.reign += 1;
            let reign = flight.reign;
            after.callers[i].at = At::Leading { flight: f, reign, work: Work::Decide };
            next.push((Step::Lead(i), after));
        }
        let Some(of) = (if flight.started { Some(f) } else { state.slot.current }) else { return };
        let idle = state.flights[of].members & !state.stalled == 0;
        let unpolled = match state.flights[of].leader {
            Some(leader) => state.stalled & bit(leader) != 0,
            None => !flight.started && idle,
        };
        let waits = state.flights[of].leader.is_some();
        if unpolled || (waits && state.budget.impatience > 0) {
            self.lose_patience(state, i, f, !unpolled, next);
        }
    }

    fn lose_patience(&self, state: &State, i: usize, f: usize, counts: bool, next: &mut Next) {
        let mut after = state.clone();
        after.budget.impatience -= u8::from(counts);
        if after.flights[f].started {
            after.flights[f].vacate();
            return next.push((Step::Depose(i), after));
        }
        if self.is(Mutant::NextWaits) || after.slot.next != Some(f) {
            return;
        }
        if let Some(current) = after.slot.current
            && !self.is(Mutant::IdsStayBehind)
        {
            after.flights[f].mine |= std::mem::take(&mut after.flights[current].mine);
        }
        after.promote();
        next.push((Step::SetAside(i), after));
    }

    fn mishaps(&self, state: &State, i: usize, next: &mut Next) {
        let leads = matches!(state.callers[i].at, At::Leading { .. });
        if state.budget.cancels > 0 {
            let mut after = state.clone();
            after.budget.cancels -= 1;
            after.leave(i, self.is(Mutant::NoHandOver), self.is(Mutant::NoGiveUp));
            next.push((Step::Drop(i), after));
        }
        if leads && state.budget.stalls > 0 {
            let mut after = state.clone();
            after.budget.stalls -= 1;
            after.stalled |= bit(i);
            next.push((Step::Stall(i), after));
        }
    }

    fn call(&self, state: &State, i: usize, next: &mut Next) {
        let at = state.callers[i].at;
        if matches!(at, At::Idle | At::Done) || state.stalled & bit(i) != 0 {
            return;
        }
        match at {
            At::Waiting(flight) => self.wait(state, i, flight, next),
            At::Leading { flight, reign, work } => self.work(state, i, (flight, reign), work, next),
            At::Idle | At::Done => {}
        }
        self.mishaps(state, i, next);
    }
}

/// Who did what: a caller's number, flights, ids and versions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Step {
    Join(usize, usize),
    Lead(usize),
    Depose(usize),
    SetAside(usize),
    Drop(usize),
    Stall(usize),
    TimeOut(usize),
    SendProbe(usize, u8),
    Granted(usize, u8),
    FoundLease(usize, u8),
    Hit(usize, u8),
    LookAgain(usize),
    GoDirect(usize),
    BeginLoad(usize),
    Load(usize, u8),
    SendFill(usize, u8),
    Accepted(usize, u8),
    Refused(usize, u8),
    Unknown(usize, u8),
    Return(usize, u8),
    Deposed(usize),
    Carried(Command, bool),
    Commit(usize, u8),
    Void(usize),
    Unlink(usize),
    UnlinkRefused(usize),
    ForeignCommit(usize, u8),
    ForeignUnlink(usize),
    ForeignLease(usize, u8),
    ForeignLoad(usize, u8),
    ForeignFill(usize, u8, bool),
    ForeignHit(usize, u8),
    LeaseRunsOut,
}

type Next = Vec<(Step, State)>;

impl Protocol for Flights {
    type State = State;
    type Step = Step;

    fn start(&self, watch: Watch) -> State {
        State {
            db: 0,
            entry: Entry::Absent,
            ids: 0,
            slot: Slot::default(),
            flights: Vec::new(),
            callers: vec![Caller::default(); self.callers.into()],
            writers: vec![Writer::Idle; self.writers.into()],
            foreign_writers: vec![Writer::Idle; self.foreign_writers.into()],
            foreign_readers: vec![Foreign::Idle; self.foreign_readers.into()],
            wire: Vec::new(),
            stalled: 0,
            in_order: self.in_order,
            budget: Budget {
                cancels: self.cancels,
                impatience: self.impatience,
                stalls: self.stalls,
                lost: self.lost,
                expiries: self.expiries,
            },
            watch,
        }
    }

    fn steps(&self, state: &State, next: &mut Next) {
        self.begin(state, next);
        for i in 0..state.callers.len() {
            self.call(state, i, next);
        }
        self.outside(state, next);
    }

    fn holds(&self, property: Property, state: &State) -> bool {
        match property {
            Property::OwnWrites => state.watch.holds(Property::Regular),
            Property::LoadsOnce => state.callers.iter().all(|caller| caller.loads <= 1),
            Property::Served => {
                let waits = |(i, caller): (usize, &Caller)| {
                    caller.at != At::Done && state.stalled & bit(i) == 0
                };
                let waiting = state.callers.iter().enumerate().any(waits);
                !waiting || {
                    let mut next = Vec::new();
                    self.steps(state, &mut next);
                    !next.is_empty()
                }
            }
            Property::Converges => state.is_leaseless_when_over(),
            property => state.watch.holds(property),
        }
    }
}

impl Traced for Flights {
    fn seen(&self, state: &State) -> Seen {
        match state.entry {
            Entry::Absent => Seen::Absent,
            Entry::Lease(id) => Seen::Lease { id, floor: 0 },
            Entry::Value { id, version } => Seen::Value { id, version, floor: 0 },
        }
    }

    fn touch(&self, before: &State, step: &Step, after: &State) -> Option<Touch> {
        match *step {
            Step::Carried(Command::Probe { id, .. }, _) => Some(Touch::Probe { id: Some(id) }),
            Step::Carried(Command::Fill { lease, id, version, .. }, _) => {
                Some(Touch::Fill { lease, id, version })
            }
            Step::Carried(Command::GiveUp { id }, _) => Some(Touch::GiveUp { id }),
            Step::Unlink(_) | Step::ForeignUnlink(_) => Some(Touch::Unlink),
            Step::ForeignLease(_, id) => Some(Touch::Probe { id: Some(id) }),
            Step::ForeignHit(..) => Some(Touch::Probe { id: None }),
            Step::ForeignFill(i, version, accepted) => {
                let Foreign::Filling(_, lease, _) = before.foreign_readers[i] else { return None };
                let id = if accepted { after.ids } else { u8::MAX };
                Some(Touch::Fill { lease, id, version })
            }
            Step::LeaseRunsOut => Some(Touch::Becomes(Seen::Absent)),
            _ => None,
        }
    }
}
