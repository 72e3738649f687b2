//! PostgreSQL servers, with logical decoding switched on and without fsync.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{self, Account, Server};
use crate::template;

/// A PostgreSQL on a loopback port, user and database `postgres`, no password; ended when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    server: Server,
    port: u16,
    account: Option<Account>,
    dir: TempDir,
}

impl PostgresServer {
    /// Starts it on a copy of an empty cluster, which the first start on a machine makes.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    #[must_use]
    pub fn start() -> PostgresServer {
        let account = Account::for_server(&["postgres"]);
        process::on_free_port("postgres", |port| {
            let dir = process::folder("postgres-", account);
            template::copy_into(
                dir.path(),
                ("postgres", "PG_VERSION"),
                &program("postgres"),
                account,
                initdb,
            );
            let mut server = Server::spawn(postgres(dir.path(), port, account), Signal::QUIT);
            if !server.becomes(dir.path(), || is_ready(port)) {
                return Err(process::log(dir.path()));
            }
            Ok(PostgresServer { server, port, account, dir })
        })
    }

    /// `postgres://postgres@127.0.0.1:<port>/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it without a clean-up, as a crash would, and starts it again on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.server.kill();
        let dir = self.dir.path();
        self.server = Server::spawn(postgres(dir, self.port, self.account), Signal::QUIT);
        let port = self.port;
        assert!(self.server.becomes(dir, || is_ready(port)), "no restart:\n{}", process::log(dir));
    }

    /// The process id of the postmaster.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}

fn initdb(dir: &Path, account: Option<Account>) -> Command {
    let command = process::command(&program("initdb"), dir, account);
    let args = ["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8"];
    process::with_args(process::with_args(command, args), ["--locale=C", "--no-sync"])
}

fn postgres(dir: &Path, port: u16, account: Option<Account>) -> Command {
    let socket_folder = dir.display().to_string();
    let port = port.to_string();
    let command = process::command(&program("postgres"), dir, account);
    let command = process::with_args(command, ["-D", "data", "-k", &socket_folder, "-p", &port]);
    let settings = [
        "listen_addresses=127.0.0.1",
        "fsync=off",
        "full_page_writes=off",
        "wal_level=logical",
        "max_connections=200",
    ];
    process::with_args(command, settings.iter().flat_map(|setting| ["-c", setting]))
}

fn is_ready(port: u16) -> bool {
    Command::new(program("pg_isready"))
        .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres"])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A program of the newest installed version: Debian keeps them out of PATH.
fn program(name: &str) -> PathBuf {
    let mut versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .collect::<Vec<_>>();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let folder = |version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
    process::find(name, &versions.into_iter().map(folder).collect::<Vec<_>>(), "postgresql")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_answers_a_query_and_ends_with_its_handle() {
        let mut server = PostgresServer::start();
        let query = ["-At", "-c", "select current_setting('wal_level')", &server.url()];
        let output = Command::new(program("psql")).args(query).output().expect("psql");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "logical", "{output:?}");
        let (port, pid) = (server.port(), server.pid());
        server.restart();
        assert_eq!(server.port(), port);
        assert_ne!(server.pid(), pid);
        drop(server);
        assert!(!is_ready(port));
    }
}
