//! Read-your-writes across processes: what a client's later requests have to know of its writes.
//!
//! A process invalidates what it wrote before it answers. Another one may go on with a copy of its own for as long as
//! its local tier's [staleness](crate::LocalTier::staleness) says, and a replica may lag behind. So the answer carries a
//! token: the keys that were written, hashed under a secret, and how far a replica has to be. The client brings it back,
//! and the process that gets it reads those keys from where the write can be seen.

mod pins;
mod secrets;
mod token;

#[cfg(all(test, not(shuttle)))]
mod tests;

pub(crate) use pins::Pin;
pub use pins::Session;
pub use secrets::{Bounds, Refused, SessionSecrets};
