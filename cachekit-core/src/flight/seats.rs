//! The members of a flight, by the order in which they joined.

use std::{collections::BTreeMap, task::Waker};

use super::Verdict;

/// A member's number within its flight; later members have greater ones.
pub(crate) type MemberId = u32;

/// What a flight knows of one member.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    pub(crate) waker: Option<Waker>,
    pub(crate) verdict: Option<Verdict>,
    /// Whether its member has taken a verdict, and only has to leave.
    pub(crate) served: bool,
}

/// The seats of a flight. The first one needs no allocation: most flights have no other.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    next: MemberId,
    first: Option<Seat>,
    others: BTreeMap<MemberId, Seat>,
}

impl Seats {
    /// Seats a newcomer.
    pub(crate) fn add(&mut self) -> MemberId {
        let id = self.next;
        self.next += 1;
        if id == 0 {
            self.first = Some(Seat::default());
        } else {
            self.others.insert(id, Seat::default());
        }
        id
    }

    /// The number that the next newcomer will get: everybody present has a smaller one.
    pub(crate) fn bound(&self) -> MemberId {
        self.next
    }

    pub(crate) fn get_mut(&mut self, id: MemberId) -> Option<&mut Seat> {
        if id == 0 { self.first.as_mut() } else { self.others.get_mut(&id) }
    }

    /// Takes a seat away. What it held is dropped by the caller, after its locks.
    pub(crate) fn remove(&mut self, id: MemberId) -> Option<Seat> {
        if id == 0 { self.first.take() } else { self.others.remove(&id) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }

    /// Members that have no verdict yet, oldest first.
    pub(crate) fn waiting(&mut self) -> impl Iterator<Item = (MemberId, &mut Seat)> {
        let first = self.first.as_mut().map(|seat| (0, seat));
        let others = self.others.iter_mut().map(|(id, seat)| (*id, seat));
        first.into_iter().chain(others).filter(|(_, seat)| seat.verdict.is_none() && !seat.served)
    }
}
