//! Runs that are owned by their flight: started by one member, driven by any one, dropped with the last.
//!
//! A *run* is one handler call with all that belongs to it: the fence before, the body, the verification after. Its
//! *starter* is the member whose request it has. Its *driver* is the member that polls it: the starter at first, another
//! one when that is gone, or when it was woken for the run and is not polled for 50 ms.
//!
//! What becomes of the members is the run's to say: see [`Others`].
//!
//! A run that nobody can join, for it begins at once, needs none of this: its caller has a [`Lead`].

mod drive;
mod flights;
mod lead;
mod marks;
mod member;
mod seats;
mod settle;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use flights::{Flights, Join};
pub(crate) use lead::Lead;
pub(crate) use marks::Marks;
pub(crate) use member::Member;
pub(crate) use settle::{Ended, Others, Own, Verdict};
pub(crate) use state::{Audience, Handle, Run};
