//! Redis servers: plain, with TLS, under a locale; frozen, killed and restarted on the same port.

use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{self, Server};
use crate::resp::{Connection, Reply};

/// The certificate files of a TLS listener, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate authority.
    pub ca: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

/// A Redis without persistence on a loopback port; killed when dropped.
#[derive(Debug)]
pub struct RedisServer {
    server: Option<Server>,
    port: u16,
    tls_port: Option<u16>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    dir: TempDir,
}

impl RedisServer {
    /// Starts a server.
    ///
    /// # Panics
    /// When `redis-server` is not installed or does not start.
    #[must_use]
    pub fn start() -> RedisServer {
        RedisServer::start_with(&[], &[])
    }

    /// Starts a server with further arguments and environment variables.
    #[must_use]
    pub fn start_with(args: &[&str], env: &[(&str, &str)]) -> RedisServer {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
        process::on_free_port("redis-server", |port| {
            RedisServer::launch(port, None, args.clone(), env)
        })
    }

    /// Starts a server that speaks TLS on [`tls_port`](RedisServer::tls_port) and plain text on the other.
    #[must_use]
    pub fn start_tls(files: &TlsFiles) -> RedisServer {
        process::on_free_port("redis-server with TLS", |port| {
            let tls_port = process::free_port();
            let path = |path: &Path| path.display().to_string();
            let args = [
                "--tls-port".to_owned(),
                tls_port.to_string(),
                "--tls-auth-clients".to_owned(),
                "no".to_owned(),
                "--tls-ca-cert-file".to_owned(),
                path(&files.ca),
                "--tls-cert-file".to_owned(),
                path(&files.certificate),
                "--tls-key-file".to_owned(),
                path(&files.key),
            ];
            RedisServer::launch(port, Some(tls_port), args.to_vec(), &[])
        })
    }

    fn launch(
        port: u16,
        tls_port: Option<u16>,
        args: Vec<String>,
        env: &[(&str, &str)],
    ) -> Result<RedisServer, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut redis = RedisServer {
            server: None,
            port,
            tls_port,
            args,
            env: env.iter().map(own).collect(),
            dir: process::folder("redis-", None),
        };
        if redis.spawn() { Ok(redis) } else { Err(process::log(redis.dir.path())) }
    }

    fn spawn(&mut self) -> bool {
        let program = process::find("redis-server", &[], "redis-server");
        let dir = self.dir.path();
        let port = self.port.to_string();
        let mut command = process::command(&program, dir, None);
        command.args(["--bind", "127.0.0.1", "--port", &port, "--unixsocket", "redis.sock"]);
        command.args(["--save", "", "--appendonly", "no", "--dir", "."]);
        command.args(["--repl-diskless-sync-delay", "0"]).args(&self.args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let mut server = Server::spawn(command, Signal::KILL);
        let (pid, port) = (server.pid(), self.port);
        let ready = server.becomes(dir, || answers(port, pid));
        self.server = ready.then_some(server);
        ready
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("this Redis was killed and not restarted")
    }

    /// The port of the plain listener.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the TLS listener.
    ///
    /// # Panics
    /// When the server was started without TLS.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.tls_port.expect("this Redis was started without TLS")
    }

    /// `redis://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The path of the Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    /// The process id of the running server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server().pid()
    }

    /// Freezes the process: connections stay open and nothing answers.
    pub fn stop_with_sigstop(&self) {
        self.server().signal(Signal::STOP);
    }

    /// Thaws a frozen process.
    pub fn cont(&self) {
        self.server().signal(Signal::CONT);
    }

    /// Kills the process at once (SIGKILL); [`restart`](RedisServer::restart) brings an empty one back.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Kills the process if it runs and starts it again, empty, on the same port.
    ///
    /// # Panics
    /// When it does not start, for instance because the port was taken meanwhile.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.spawn(), "no restart:\n{}", process::log(self.dir.path()));
    }

    /// `CONFIG SET name value`.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn config_set(&self, name: &str, value: &str) {
        let reply = self.connection().call(&["CONFIG", "SET", name, value]);
        assert_eq!(reply, Reply::Simple("OK".to_owned()), "CONFIG SET {name} {value}");
    }

    /// A new raw connection to the plain listener.
    ///
    /// # Panics
    /// When the server does not run.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::open(self.port).expect("the test's Redis listens")
    }
}

/// Whether the process `pid` itself answers on `port`: another server may hold a port that was free.
fn answers(port: u16, pid: u32) -> bool {
    let info = Connection::open(port).and_then(|mut redis| redis.try_call(&["INFO", "server"]));
    match info {
        Ok(Reply::Bulk(Some(info))) => {
            String::from_utf8_lossy(&info).contains(&format!("process_id:{pid}\r\n"))
        }
        // A password guards it: whoever set one has its own port.
        Ok(Reply::Error(text)) => text.starts_with("NOAUTH"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_empty_freezes_dies_and_restarts_on_its_port() {
        let mut server = RedisServer::start();
        let mut redis = server.connection();
        assert_eq!(redis.call(&["SET", "k", "v"]), Reply::Simple("OK".to_owned()));
        server.stop_with_sigstop();
        server.cont();
        assert_eq!(redis.call(&["GET", "k"]).bytes(), Some(b"v".to_vec()));
        let (port, pid) = (server.port(), server.pid());
        server.restart();
        assert_eq!(server.port(), port);
        assert_ne!(server.pid(), pid);
        assert_eq!(server.connection().call(&["GET", "k"]), Reply::Bulk(None));
        drop(server);
        assert!(Connection::open(port).is_err());
    }

    #[test]
    fn arguments_and_environment_reach_the_server() {
        let server = RedisServer::start_with(&["--maxmemory", "5mb"], &[("LC_ALL", "C")]);
        server.config_set("maxmemory-policy", "noeviction");
        let reply = server.connection().call(&["CONFIG", "GET", "maxmemory"]);
        let bulk = |text: &str| Reply::Bulk(Some(text.as_bytes().to_vec()));
        assert_eq!(reply, Reply::Array(vec![bulk("maxmemory"), bulk("5242880")]));
    }
}
