//! The members of a flight, by the order in which they joined.

use std::{collections::BTreeMap, task::Waker};

use super::settle::Verdict;

/// A member's number within its flight; later members have greater ones.
pub(super) type MemberId = u32;

#[derive(Debug)]
pub(super) struct Seat<T> {
    pub(super) waker: Option<Waker>,
    pub(super) verdict: Option<Verdict<T>>,
    /// Its verdict was given; there is nothing more for it here.
    pub(super) served: bool,
}

impl<T> Default for Seat<T> {
    fn default() -> Self {
        Self { waker: None, verdict: None, served: false }
    }
}

/// The seats of a flight. The first one needs no allocation: most flights have no other.
#[derive(Debug)]
pub(super) struct Seats<T> {
    next: MemberId,
    first: Option<Seat<T>>,
    others: BTreeMap<MemberId, Seat<T>>,
}

impl<T> Default for Seats<T> {
    fn default() -> Self {
        Self { next: 0, first: None, others: BTreeMap::new() }
    }
}

impl<T> Seats<T> {
    pub(super) fn add(&mut self) -> MemberId {
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
    pub(super) fn bound(&self) -> MemberId {
        self.next
    }

    pub(super) fn get_mut(&mut self, id: MemberId) -> Option<&mut Seat<T>> {
        if id == 0 { self.first.as_mut() } else { self.others.get_mut(&id) }
    }

    /// Takes a seat away. What it held is dropped by the caller, after its locks.
    pub(super) fn remove(&mut self, id: MemberId) -> Option<Seat<T>> {
        if id == 0 { self.first.take() } else { self.others.remove(&id) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.is_empty()
    }

    /// Members that wait for a verdict, oldest first.
    pub(super) fn waiting(&mut self) -> impl Iterator<Item = (MemberId, &mut Seat<T>)> {
        let first = self.first.as_mut().map(|seat| (0, seat));
        let others = self.others.iter_mut().map(|(id, seat)| (*id, seat));
        first.into_iter().chain(others).filter(|(_, seat)| !seat.served)
    }
}
