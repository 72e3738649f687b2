//! Servers for tests: Redis, PostgreSQL and MariaDB on free loopback ports, ended when their handle is dropped,
//! and proxies that stand before them.
//!
//! Every server keeps its data in a temporary folder and listens on 127.0.0.1 only. A missing program
//! fails the test with the package to install. The functions block: call them from a test, not from a task.
#![forbid(unsafe_code)]

mod frames;
mod hub;
mod mariadb;
mod postgres;
mod process;
mod proxy;
mod redis;
mod resp;
mod rule;
mod shifted_clock;
mod tcp_proxy;
mod template;

pub use mariadb::MariadbServer;
pub use postgres::PostgresServer;
pub use process::wait_until;
pub use proxy::{Command, Proxy, invalidation, named};
pub use redis::{RedisServer, TlsFiles};
pub use resp::{Connection, Reply};
pub use rule::Rule;
pub use shifted_clock::ShiftedClock;
pub use tcp_proxy::{Cut, TcpProxy};

/// Starts a Redis with further command-line arguments, such as `["--maxmemory", "4mb"]`.
#[must_use]
pub fn redis_with(args: &[&str]) -> RedisServer {
    RedisServer::start_with(args, &[])
}
