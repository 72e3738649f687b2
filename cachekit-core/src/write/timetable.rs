//! Things that are due at some time.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use crate::sync::Instant;

/// Things by the time at which they are due.
#[derive(Debug)]
pub(super) struct Timetable<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
    added: u64,
}

#[derive(Debug)]
struct Due<T> {
    at: Instant,
    /// Tells things of one instant apart: they come out in the order they went in.
    number: u64,
    what: T,
}

impl<T> Default for Timetable<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), added: 0 }
    }
}

impl<T> Timetable<T> {
    pub(super) fn add(&mut self, at: Instant, what: T) {
        self.added += 1;
        self.heap.push(Reverse(Due { at, number: self.added, what }));
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Vec<T> {
        let mut due = Vec::new();
        while self.next_due().is_some_and(|at| at <= now) {
            due.extend(self.heap.pop().map(|Reverse(due)| due.what));
        }
        due
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(&mut self.heap)
            .into_sorted_vec()
            .into_iter()
            .rev()
            .map(|Reverse(due)| due.what)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
