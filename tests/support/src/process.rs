//! A server's process and folder: where its programs are, under which user it runs, when it is ready, how it ends.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

/// How long a server may take to start or to end before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `ready` holds and says whether it came to that within `limit`.
pub fn wait_until(limit: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if ready() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "servers are awaited outside any runtime")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free loopback port");
    listener.local_addr().expect("the port just bound").port()
}

/// The path of `program`, searched in `folders`, then in PATH.
pub(crate) fn find(program: &str, folders: &[PathBuf], package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let usual = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/bin")];
    folders
        .iter()
        .chain(&in_path)
        .chain(&usual)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| {
            panic!("`{program}` was not found; install it: apt-get install -y --no-install-recommends {package}")
        })
}

/// The account a database that refuses to run as root is started under.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The first of `names` that exists; none when this process is not root and must not change its user.
    pub(crate) fn for_server(names: &[&str]) -> Option<Account> {
        if !geteuid().is_root() {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        names.iter().chain(&["nobody"]).find_map(|name| Account::parse(&users, name))
    }

    fn parse(users: &str, name: &str) -> Option<Account> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Account { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }
}

/// A temporary folder that `account` owns.
pub(crate) fn folder(prefix: &str, account: Option<Account>) -> TempDir {
    let dir = tempfile::Builder::new().prefix(prefix).tempdir().expect("a temporary folder");
    if let Some(Account { uid, gid }) = account {
        chown(dir.path(), Some(uid), Some(gid)).expect("the folder's owner");
    }
    dir
}

/// A command that runs in `dir` under `account`, with both outputs added to `dir/log`.
pub(crate) fn command(program: &Path, dir: &Path, account: Option<Account>) -> Command {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("log"))
        .expect("the server's log file");
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null());
    command.stdout(log.try_clone().expect("a second handle of the log")).stderr(log);
    if let Some(Account { uid, gid }) = account {
        command.uid(uid).gid(gid);
    }
    command
}

/// Runs a command to its end; a failure shows the log.
pub(crate) fn run(command: Command, dir: &Path) {
    attempt(command, dir).unwrap_or_else(|failure| panic!("{failure}"));
}

/// Runs a command to its end; a failure is the log.
pub(crate) fn attempt(mut command: Command, dir: &Path) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{command:?} ended with {status}:\n{}", log(dir)))
}

/// What the server wrote so far.
pub(crate) fn log(dir: &Path) -> String {
    fs::read_to_string(dir.join("log")).unwrap_or_default()
}

/// A running server; dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    end: Signal,
}

impl Server {
    /// Starts `command`; `end` is the signal that ends the server without a clean-up worth waiting for.
    pub(crate) fn spawn(mut command: Command, end: Signal) -> Server {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Server { child, end }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` holds; false when the process ended before that.
    pub(crate) fn becomes(&mut self, dir: &Path, mut ready: impl FnMut() -> bool) -> bool {
        let child = &mut self.child;
        let mut ended = false;
        let settled = wait_until(PATIENCE, || {
            ended = !matches!(child.try_wait(), Ok(None));
            ended || ready()
        });
        assert!(settled, "the server was not ready within {PATIENCE:?}:\n{}", log(dir));
        !ended
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("a signal to a server this test started");
    }

    /// Ends the process now and waits for its end.
    pub(crate) fn kill(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        if self.end != Signal::KILL {
            self.signal(self.end);
            let child = &mut self.child;
            if wait_until(Duration::from_secs(5), || !matches!(child.try_wait(), Ok(None))) {
                return;
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a server on a free port, again when another process took the port meanwhile.
pub(crate) fn on_free_port<T>(what: &str, mut start: impl FnMut(u16) -> Result<T, String>) -> T {
    let mut last = String::new();
    for _ in 0..5 {
        match start(free_port()) {
            Ok(server) => return server,
            Err(log) => last = log,
        }
    }
    panic!("{what} did not start:\n{last}");
}

/// `args` as one list, for commands with many fixed arguments.
pub(crate) fn with_args<S: AsRef<OsStr>>(
    mut command: Command,
    args: impl IntoIterator<Item = S>,
) -> Command {
    command.args(args);
    command
}
