//! Consistency, stampedes, crashes and locks, over several processes and real servers.

mod behind;
mod consistency;
mod crash;
mod fleet;
mod local_tier;
mod locks;
mod nemesis;
mod outage;
mod refresh;
mod settings;
mod stampede;
mod streams;
