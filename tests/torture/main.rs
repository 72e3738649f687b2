//! Consistency, stampedes and crashes, over several processes and real servers.

mod behind;
mod consistency;
mod crash;
mod fleet;
mod local_tier;
mod nemesis;
mod outage;
mod refresh;
mod settings;
mod stampede;
mod streams;
