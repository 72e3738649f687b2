//! Worker processes: started, talked to over their pipes, killed.

use std::{env, path::PathBuf, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{Mutex, MutexGuard},
    time,
};

/// A worker that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The worker program, beside the one that runs.
const PROGRAM: &str = "torture-worker";

static MACHINE: Mutex<()> = Mutex::const_new(());

/// The machine for oneself: these tests measure, and each of them keeps it busy.
pub async fn machine() -> MutexGuard<'static, ()> {
    MACHINE.lock().await
}

/// A running worker; killed when dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Where the workers' program is: this one, or a test's or a tool's neighbour.
fn program() -> PathBuf {
    let own = env::current_exe().expect("this program has a path");
    let folders = own.ancestors().skip(1).take(2);
    let near = folders.map(|folder| folder.join(PROGRAM)).find(|path| path.is_file());
    near.expect("cargo builds the worker together with the tests")
}

impl Worker {
    /// Starts a worker and waits until it is set up.
    pub async fn start(args: &[(&str, String)]) -> Worker {
        let mut command = Command::new(program());
        command.args(args.iter().map(|(name, value)| format!("{name}={value}")));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the worker starts");
        let stdin = child.stdin.take().expect("its input is a pipe");
        let stdout = child.stdout.take().expect("its output is a pipe");
        let mut worker = Worker { child, stdin, lines: BufReader::new(stdout).lines() };
        assert_eq!(worker.line(PATIENCE).await.as_deref(), Some("ready"), "the worker is set up");
        worker
    }

    /// Freezes it, or lets it go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the worker runs");
    }

    /// Whether it is frozen, by itself or by a signal.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        let stat = format!("/proc/{}/stat", self.pid().as_raw_nonzero());
        let stat = std::fs::read_to_string(stat).expect("the worker runs");
        // Its name stands in parentheses, then its state.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    fn pid(&self) -> Pid {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(Pid::from_raw).expect("the worker runs")
    }

    /// Lets it begin.
    pub async fn go(&mut self) {
        self.say("go").await;
    }

    /// Sends it a line.
    pub async fn say(&mut self, word: &str) {
        let line = format!("{word}\n");
        self.stdin.write_all(line.as_bytes()).await.expect("the worker listens");
    }

    /// Its next line; none when it has ended.
    ///
    /// # Panics
    /// When nothing comes for `limit`.
    pub async fn line(&mut self, limit: Duration) -> Option<String> {
        let line = time::timeout(limit, self.lines.next_line()).await;
        line.expect("the worker says something, or ends").expect("its output is text")
    }

    /// Kills it with SIGKILL and returns what it had said.
    pub async fn kill(mut self) -> Vec<String> {
        self.child.kill().await.expect("the worker runs");
        self.rest(PATIENCE).await
    }

    /// Waits for its end and returns what it said.
    ///
    /// # Panics
    /// When it fails, or says nothing for `limit`.
    pub async fn finish(mut self, limit: Duration) -> Vec<String> {
        let lines = self.rest(limit).await;
        let status = self.child.wait().await.expect("the worker ends");
        assert!(status.success(), "the worker ended with {status}: {lines:?}");
        lines
    }

    async fn rest(&mut self, limit: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.line(limit).await {
            lines.push(line);
        }
        lines
    }
}
