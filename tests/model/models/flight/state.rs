//! What a process knows of its flights, and what Redis holds.

use crate::{Since, Watch};

/// All there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) db: u8,
    pub(super) entry: Entry,
    pub(super) ids: u8,
    pub(super) slot: Slot,
    pub(super) flights: Vec<Flight>,
    pub(super) callers: Vec<Caller>,
    pub(super) writers: Vec<Writer>,
    pub(super) foreign_writers: Vec<Writer>,
    pub(super) foreign_readers: Vec<Foreign>,
    /// Commands on their way; sorted if they are carried out in any order.
    pub(super) wire: Vec<Command>,
    pub(super) in_order: bool,
    pub(super) stalled: u8,
    pub(super) budget: Budget,
    pub(super) watch: Watch,
}

/// How many mishaps are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) cancels: u8,
    pub(super) impatience: u8,
    pub(super) stalls: u8,
    pub(super) lost: u8,
    pub(super) expiries: u8,
}

/// What is under the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Entry {
    Absent,
    Lease(u8),
    Value { id: u8, version: u8 },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    pub(super) current: Option<usize>,
    pub(super) next: Option<usize>,
    pub(super) dirty: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Unsent,
    ProbeSent,
    Leased,
    Loading,
    FillSent,
    Direct,
}

/// A refused value, and for whom it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kept {
    pub(super) version: u8,
    pub(super) members: u8,
}

/// Sets of callers and of ids are bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flight {
    pub(super) phase: Phase,
    pub(super) started: bool,
    pub(super) over: bool,
    pub(super) leader: Option<usize>,
    pub(super) reign: u8,
    pub(super) members: u8,
    pub(super) covered: u8,
    pub(super) lease: Option<u8>,
    pub(super) mine: u32,
    pub(super) kept: Option<Kept>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Caller {
    pub(super) at: At,
    pub(super) since: Since,
    pub(super) loads: u8,
}

impl Default for Caller {
    fn default() -> Caller {
        Caller { at: At::Idle, since: Since::default(), loads: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    Idle,
    Waiting(usize),
    Leading { flight: usize, reign: u8, work: Work },
    Done,
}

/// How far a leader is. Loads name the lease they run under, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    Decide,
    Probing(u8),
    /// What the probe with this id found; nothing if its answer was lost.
    Probed(u8, Option<Entry>),
    /// Somebody else has this lease.
    Waits(u8),
    Loading(Option<u8>),
    Loaded(Option<u8>, u8),
    Filling(u8, u8),
    /// Whether the fill was accepted; nothing if its answer was lost.
    Filled(u8, Option<bool>),
}

impl Work {
    /// Whether it is past the point at which a caller finishes for itself.
    pub(super) fn is_own(self) -> bool {
        matches!(self, Work::Loading(_) | Work::Loaded(..) | Work::Filling(..) | Work::Filled(..))
    }
}

/// A command that was sent, with ids and whoever waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "they are what they say")]
pub enum Command {
    Probe { id: u8, by: usize },
    Fill { lease: u8, id: u8, version: u8, by: usize },
    GiveUp { id: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Writer {
    Idle,
    Voiding(u8),
    Unlinking(u8),
    VoidingAgain(u8),
    Done,
}

/// A reader in another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Foreign {
    Idle,
    Probing(Since),
    Loading(Since, u8),
    Filling(Since, u8, u8),
    Done,
}

pub(super) fn bit(i: usize) -> u8 {
    1 << i
}

pub(super) fn id_bit(id: u8) -> u32 {
    1 << id
}

impl Flight {
    /// Ends the leader's term; the flight goes on under whoever comes first.
    pub(super) fn vacate(&mut self) {
        self.leader = None;
        self.reign += 1;
        if self.phase == Phase::FillSent {
            self.lease = None;
        }
        self.phase = if self.lease.is_some() { Phase::Leased } else { Phase::Unsent };
    }

    pub(super) fn consume_lease(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.mine &= !id_bit(lease);
        }
    }
}

impl State {
    pub(super) fn fresh_id(&mut self) -> u8 {
        self.ids += 1;
        self.ids
    }

    pub(super) fn new_flight(&mut self, started: bool) -> usize {
        self.flights.push(Flight {
            phase: Phase::Unsent,
            started,
            over: false,
            leader: None,
            reign: 0,
            members: 0,
            covered: 0,
            lease: None,
            mine: 0,
            kept: None,
        });
        self.flights.len() - 1
    }

    pub(super) fn send(&mut self, command: Command) {
        self.wire.push(command);
        if !self.in_order {
            self.wire.sort_unstable();
        }
    }

    /// Takes the current flight out of its slot and starts the one behind it.
    pub(super) fn promote(&mut self) {
        self.slot.current = self.slot.next.take();
        if let Some(current) = self.slot.current {
            self.flights[current].started = true;
        }
    }

    fn retire(&mut self, f: usize, keeps_ids: bool) {
        self.flights[f].over = true;
        let mine = std::mem::take(&mut self.flights[f].mine);
        for id in (0..32).filter(|id| mine & id_bit(*id) != 0 && !keeps_ids) {
            self.send(Command::GiveUp { id });
        }
        if self.slot.current == Some(f) {
            self.promote();
        } else if self.slot.next == Some(f) {
            self.slot.next = None;
        }
    }

    /// Gives these members the value. One that has begun a load of its own as a deposed leader finishes it.
    pub(super) fn give(&mut self, f: usize, members: u8, version: u8, keeps_ids: bool) {
        for i in (0..self.callers.len()).filter(|i| members & bit(*i) != 0) {
            let leads = self.flights[f].leader == Some(i);
            let own = matches!(self.callers[i].at, At::Leading { work, .. } if work.is_own());
            if self.flights[f].members & bit(i) != 0 && (leads || !own) {
                self.callers[i].at = At::Done;
                self.watch.read_returned(self.callers[i].since, version);
                self.flights[f].members &= !bit(i);
            }
        }
        if self.flights[f].members == 0 && !self.flights[f].over {
            self.retire(f, keeps_ids);
        }
    }

    /// Ends the flight with a value for everybody in it.
    pub(super) fn finish(&mut self, f: usize, version: u8, keeps_ids: bool) {
        let members = self.flights[f].members;
        self.give(f, members, version, keeps_ids);
        let flight = &mut self.flights[f];
        flight.leader = None;
        flight.reign += 1;
        if !flight.over {
            // Deposed leaders are still busy with their own loads.
            self.retire(f, keeps_ids);
        }
        self.flights[f].kept = None;
    }

    /// A caller is dropped.
    pub(super) fn leave(&mut self, i: usize, keeps_role: bool, keeps_ids: bool) {
        let (At::Waiting(f) | At::Leading { flight: f, .. }) = self.callers[i].at else { return };
        let leads = self.leads(i);
        self.callers[i].at = At::Done;
        let flight = &mut self.flights[f];
        flight.members &= !bit(i);
        if leads && !keeps_role {
            flight.vacate();
        }
        if flight.members == 0 && !flight.over {
            self.retire(f, keeps_ids);
        }
    }

    /// Whether this caller has the role it once took.
    pub(super) fn leads(&self, i: usize) -> bool {
        let At::Leading { flight, reign, .. } = self.callers[i].at else { return false };
        self.flights[flight].leader == Some(i) && self.flights[flight].reign == reign
    }

    /// Whether a load of anybody's runs under this lease, and so keeps it alive.
    pub(super) fn has_load_under(&self, id: u8) -> bool {
        let loads = |caller: &Caller| match caller.at {
            At::Leading { work: Work::Loading(lease) | Work::Loaded(lease, _), .. } => {
                lease == Some(id)
            }
            At::Leading { work: Work::Filling(lease, _), .. } => lease == id,
            _ => false,
        };
        let elsewhere = |reader: &Foreign| match *reader {
            Foreign::Loading(_, lease) | Foreign::Filling(_, lease, _) => lease == id,
            _ => false,
        };
        self.callers.iter().any(loads) || self.foreign_readers.iter().any(elsewhere)
    }

    /// When everything is over and carried out, no lease of this process is left to run out.
    pub(super) fn is_leaseless_when_over(&self) -> bool {
        let over = self.callers.iter().all(|caller| caller.at == At::Done);
        let foreign = self.foreign_readers.iter().all(|reader| *reader == Foreign::Done);
        let leased = matches!(self.entry, Entry::Lease(_));
        !(over && foreign && self.wire.is_empty() && leased)
    }
}
