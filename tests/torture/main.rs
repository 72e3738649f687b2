//! Consistency and stampedes, over several processes and a real Redis.

mod consistency;
mod fleet;
mod nemesis;
mod stampede;
