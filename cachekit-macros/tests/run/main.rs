//! What the attributes expand to, run.

mod companions;
mod connections;
mod forms;
mod hygiene;
mod keys;
mod methods;
mod shapes;
mod support;
mod writers;
