//! What the attributes expand to, run.

// Helpers of tests, which the lint does not know for tests.
#![allow(clippy::unwrap_used)]
// The borrows are what is tested.
#![allow(clippy::needless_borrows_for_generic_args)]

mod background;
mod batches;
mod companions;
mod connections;
mod forms;
mod hygiene;
mod keys;
mod locks;
mod methods;
mod scopes;
mod shapes;
mod support;
mod writers;
