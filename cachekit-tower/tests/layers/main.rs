//! The layers, each by itself, in stacks, and over real sockets.

#![allow(clippy::unwrap_used)]

mod cache;
mod contract;
mod kit;
mod observed;
mod order;
mod replies;
mod scope;
mod singleflight;
mod waiting;
mod writers;
