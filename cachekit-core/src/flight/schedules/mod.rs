//! Schedules over the shipped flights, slots, tiers and queues, with a store that answers whenever
//! it likes.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo nextest run -p cachekit-core --lib schedules`. How many
//! schedules each test runs is multiplied by `CACHEKIT_SCHEDULES`; `CACHEKIT_SEED` repeats a run.

mod command;
mod double;
mod keys;
mod server;
mod tags;

#[cfg(test)]
mod actors;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod database;
#[cfg(test)]
mod explore;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod nosy;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tagged;
#[cfg(test)]
mod world;

pub(crate) use double::Double;
