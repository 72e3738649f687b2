//! What cachekit promises, one module a promise, on a real Redis.

mod leases;
