//! Consistency, stampedes, crashes and locks, over several processes and real servers.

mod behind;
mod consistency;
mod crash;
mod local_tier;
mod locks;
mod nemesis;
mod outage;
mod refresh;
mod stampede;
mod streams;
mod survival;

use cachekit_torture::{fleet, settings};
