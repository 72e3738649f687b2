//! The cache layer for HTTP, in one process.

#![allow(clippy::unwrap_used)]

#[path = "../replies/mod.rs"]
mod replies;

mod old;
mod oracle;
mod requests;
mod responses;
mod runs;
mod writes;
