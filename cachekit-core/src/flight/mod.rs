//! Strict singleflight: one attempt to get one key, and the callers that may share it.
//!
//! Every caller is a *member*; *leader* is a role that any member takes when it is polled while the
//! flight is started and has none. A newcomer joins only while what it would be given is still read
//! after it came (protocol §4.6); else it becomes a member of the key's one `next` flight.

mod error_groups;
mod leader;
mod member;
mod phase;
#[cfg(shuttle)]
pub(crate) mod schedules;
mod seats;
mod stamped;
mod state;

pub(crate) use leader::{Role, Settled};
pub(crate) use member::{Member, Turn};
pub(crate) use phase::Phase;
pub(crate) use state::{Flight, Kept, Verdict};
