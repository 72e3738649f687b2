//! The servers of a crash test.

use cachekit_test_support::{MariadbServer, PostgresServer, RedisServer};
use cachekit_torture::rows::Rows;
use sqlx::{MySql, Postgres, Sqlite};
use tempfile::TempDir;

/// A database that a test can start.
pub(crate) trait Hosted: Rows {
    /// What it runs on.
    type Server;

    /// A server, or a folder.
    fn host() -> Self::Server;

    fn url(server: &Self::Server) -> String;

    /// Where a proxy can stand before it.
    fn port(server: &Self::Server) -> Option<u16>;
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
}

/// A Redis that has its entries again when it was killed and restarted, stale ones included.
pub(crate) fn durable_redis() -> RedisServer {
    RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "no"], &[])
}
