//! Whose request it is, and what of it a run that is shared may see.
//!
//! A run whose response others may be given gets a request from which everything was taken that its identity does not
//! have. What a client sends beyond that cannot change what others see.

mod credentials;
mod hidden;

pub(crate) use credentials::{Credentials, Sharing};
pub use credentials::{PeerCertificate, Principal};
pub(crate) use hidden::{Shown, has_host};
