//! Tracking: a connection of its own over which the server tells of every change to the namespace's keys, and a
//! heartbeat that says up to when everything was told.
//!
//! The heartbeat is written over the *data* link and comes back over this one. Its coming back proves three things at
//! once: both links lead to one server, that server takes writes, and every change before it was told. Each is a key
//! of its own, named by the moment it was sent: a push tells the name alone, so nothing else, such as the eviction of
//! an earlier one, passes for it.

mod beat;
mod enable;
mod pushes;
mod sink;
mod tracker;

pub(crate) use sink::{Sink, Tracking};
pub(in crate::redis) use tracker::Tracker;
