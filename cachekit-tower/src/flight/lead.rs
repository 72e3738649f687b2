//! A run that nobody can join, and which therefore needs no flight.

use std::{fmt, sync::Arc};

use super::Flights;
use crate::{identity::Identity, observe};

/// The right to run at once, alone. Those who come meanwhile wait until it is dropped.
pub(crate) struct Lead<T> {
    flights: Arc<Flights<T>>,
    identity: Identity,
}

impl<T> Lead<T> {
    pub(super) fn new(flights: Arc<Flights<T>>, identity: Identity) -> Self {
        Self { flights, identity }
    }
}

impl<T: Clone + Send + 'static> Lead<T> {
    /// Its run has ended. `apart`: so would those of the others who wait, each with an answer of its own.
    pub(crate) fn end(self, apart: bool) {
        observe::members(self.flights.layer, 1);
        if apart {
            self.flights.release(&self.identity);
        }
    }
}

impl<T> Drop for Lead<T> {
    fn drop(&mut self) {
        self.flights.retire_lone(&self.identity);
    }
}

impl<T> fmt::Debug for Lead<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lead(..)")
    }
}
