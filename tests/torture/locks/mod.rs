//! Locks over several processes: what they count is right, whoever is stopped or killed, and nobody waits for ever.

mod counter;
mod herd;
mod outage;
mod several;
