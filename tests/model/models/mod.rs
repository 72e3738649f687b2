//! One file per concern; each says at its head what it leaves out.

pub mod batch;
pub mod copies;
pub mod dirty;
pub mod fence;
pub mod flight;
pub mod lease;
pub mod outbox;
pub mod stale;
pub mod strong;
pub mod tags;
pub mod textbook;
