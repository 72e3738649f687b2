//! MariaDB servers, with a row-based binary log and without fsync.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{self, Account, Server};
use crate::template;

/// A MariaDB on a loopback port, user `root` without a password, database `cachekit`; ended when dropped.
#[derive(Debug)]
pub struct MariadbServer {
    server: Server,
    port: u16,
    account: Option<Account>,
    dir: TempDir,
}

impl MariadbServer {
    /// Starts the server on a copy of the system tables, which the first start on a machine makes.
    ///
    /// # Panics
    /// When MariaDB is not installed or does not start.
    #[must_use]
    pub fn start() -> MariadbServer {
        let account = Account::for_server(&["mysql"]);
        process::on_free_port("mariadbd", |port| {
            let dir = process::folder("mariadb-", account);
            let path = dir.path();
            template::copy_into(path, ("mariadb", "mysql"), &program("mariadbd"), account, install);
            fs::write(path.join("init.sql"), INIT).expect("the start script");
            let mut server = Server::spawn(mariadbd(path, port, account), Signal::KILL);
            if !server.becomes(path, || is_ready(path, port)) {
                return Err(process::log(path));
            }
            Ok(MariadbServer { server, port, account, dir })
        })
    }

    /// `mysql://root@127.0.0.1:<port>/cachekit`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/cachekit", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it and starts it again on the same port; what was committed is there again.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.server.kill();
        let (dir, port) = (self.dir.path(), self.port);
        self.server = Server::spawn(mariadbd(dir, port, self.account), Signal::KILL);
        let ready = self.server.becomes(dir, || is_ready(dir, port));
        assert!(ready, "no restart:\n{}", process::log(dir));
    }

    /// The process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}

/// Host names are not resolved, so `root` must exist for the address that tests connect from.
const INIT: &str = "CREATE DATABASE IF NOT EXISTS cachekit;
CREATE USER IF NOT EXISTS 'root'@'127.0.0.1' IDENTIFIED BY '';
GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;
";

fn install(dir: &Path, account: Option<Account>) -> Command {
    let command = process::command(&program("mariadb-install-db"), dir, account);
    let data = format!("--datadir={}", dir.join("data").display());
    let settings = [
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        // Every server copies it.
        "--innodb-log-file-size=8M",
    ];
    process::with_args(process::with_args(command, ["--no-defaults", &data]), settings)
}

fn mariadbd(dir: &Path, port: u16, account: Option<Account>) -> Command {
    let command = process::command(&program("mariadbd"), dir, account);
    let at = |option: &str, name: &str| format!("--{option}={}", dir.join(name).display());
    let places = [
        // First: MariaDB takes it in no other place.
        "--no-defaults".to_owned(),
        at("datadir", "data"),
        at("socket", "mariadb.sock"),
        at("pid-file", "mariadb.pid"),
        at("init-file", "init.sql"),
        format!("--port={port}"),
    ];
    let settings = [
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--server-id=1",
        "--log-bin=binlog",
        "--binlog-format=ROW",
        "--binlog-row-image=FULL",
        "--binlog-row-metadata=FULL",
        "--innodb-log-file-size=8M",
        // What is committed outlives the process, not the machine.
        "--innodb-flush-log-at-trx-commit=2",
        "--sync-binlog=0",
    ];
    process::with_args(process::with_args(command, places), settings)
}

fn is_ready(dir: &Path, port: u16) -> bool {
    process::log(dir).contains("ready for connections")
        && TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn program(name: &str) -> PathBuf {
    process::find(name, &[], "mariadb-server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_answers_a_query_and_ends_with_its_handle() {
        let mut server = MariadbServer::start();
        let port = format!("--port={}", server.port());
        let output = Command::new(program("mariadb"))
            .args(["--no-defaults", "--host=127.0.0.1", &port, "--user=root", "--batch"])
            .args(["--skip-column-names", "cachekit", "-e", "select @@binlog_format, database()"])
            .output()
            .expect("the mariadb client");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ROW\tcachekit", "{output:?}");
        let (port, pid) = (server.port(), server.pid());
        server.restart();
        assert_eq!(server.port(), port);
        assert_ne!(server.pid(), pid);
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}
