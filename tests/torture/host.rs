//! The servers that databases run on, started and restarted.

use cachekit_test_support::{MariadbServer, PostgresServer, RedisServer};
use sqlx::{MySql, Postgres, Sqlite};
use tempfile::TempDir;

use crate::rows::Rows;

/// A database that a test can start.
pub trait Hosted: Rows {
    /// What it runs on.
    type Server: Send;

    /// A server, or a folder.
    fn host() -> Self::Server;

    /// Where it is found.
    fn url(server: &Self::Server) -> String;

    /// Where a proxy can stand before it.
    fn port(server: &Self::Server) -> Option<u16>;

    /// Ends the server as a crash would and starts it again; says whether there is one.
    fn restart(server: &mut Self::Server) -> bool;

    /// A transaction that begins with this lets nobody write the items until its end.
    const LOCK: &'static str;
}

impl Hosted for Postgres {
    type Server = PostgresServer;

    fn host() -> PostgresServer {
        PostgresServer::start()
    }

    fn url(server: &PostgresServer) -> String {
        server.url()
    }

    fn port(server: &PostgresServer) -> Option<u16> {
        Some(server.port())
    }

    fn restart(server: &mut PostgresServer) -> bool {
        server.restart();
        true
    }

    const LOCK: &'static str = "LOCK TABLE items IN EXCLUSIVE MODE";
}

impl Hosted for MySql {
    type Server = MariadbServer;

    fn host() -> MariadbServer {
        MariadbServer::start()
    }

    fn url(server: &MariadbServer) -> String {
        server.url()
    }

    fn port(server: &MariadbServer) -> Option<u16> {
        Some(server.port())
    }

    fn restart(server: &mut MariadbServer) -> bool {
        server.restart();
        true
    }

    const LOCK: &'static str = "SELECT * FROM items FOR UPDATE";
}

impl Hosted for Sqlite {
    type Server = TempDir;

    fn host() -> TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn url(server: &TempDir) -> String {
        format!("sqlite://{}", server.path().join("database").display())
    }

    fn port(_: &TempDir) -> Option<u16> {
        None
    }

    fn restart(_: &mut TempDir) -> bool {
        false
    }

    const LOCK: &'static str = "UPDATE items SET version = version";
}

/// A Redis that has its entries again when it was killed and restarted, stale ones included.
#[must_use]
pub fn durable_redis() -> RedisServer {
    RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "no"], &[])
}
