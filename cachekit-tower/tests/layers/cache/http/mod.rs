//! The cache layer for HTTP, in one process.

mod old;
mod oracle;
mod requests;
mod responses;
mod runs;
mod writes;
