//! Starts the service and asks it.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use cachekit_test_support::wait_until;
use tonic::transport::{Channel, Endpoint};

pub use prost::Message as Pb;

pub mod pb {
    tonic::include_proto!("shop");
}

/// A process of the service on free ports.
pub struct Service {
    process: Child,
    told: BufReader<ChildStdout>,
    address: String,
    metrics: String,
}

impl Service {
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tonic-stack"));
        for name in ["REDIS_URL", "DATABASE_URL", "BARE"] {
            command.env_remove(name);
        }
        command.envs([("PORT", "0"), ("METRICS_PORT", "0")]).envs(settings.iter().copied());
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the service");
        let mut told = BufReader::new(process.stdout.take().expect("its output"));
        let mut line_after = |beginning: &str| loop {
            let mut line = String::new();
            assert!(told.read_line(&mut line).expect("its output") > 0, "it did not come up");
            if let Some(rest) = line.strip_prefix(beginning) {
                break rest.trim().to_owned();
            }
        };
        let metrics = line_after("metrics on ");
        let address = line_after("listening on ");
        Self { process, told, address, metrics }
    }

    pub async fn channel(&self) -> Channel {
        self.channel_as(&format!("http://{}", self.address)).await
    }

    /// A channel whose calls are for another name than the address.
    pub async fn channel_as(&self, origin: &str) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address));
        let endpoint = endpoint.expect("an address").origin(origin.parse().expect("a uri"));
        endpoint.connect().await.expect("a connection")
    }

    /// What a counter stands at, over all its labels that begin so.
    pub fn counter(&self, beginning: &str) -> u64 {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--max-time", "30", &self.metrics]);
        let output = curl.output().expect("curl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metrics = String::from_utf8(output.stdout).expect("text");
        let lines = metrics.lines().filter(|line| line.starts_with(beginning));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }

    pub fn calls(&self, handler: &str) -> u64 {
        self.counter(&format!("handler_calls_total{{handler=\"{handler}\"}}"))
    }

    /// What `client.py` prints.
    pub fn python(&self, method: &str, message: &str, metadata: &[&str]) -> String {
        // Debian's own knows Debian's packages, whatever else is called so.
        let debian = Path::new("/usr/bin/python3");
        let mut python = Command::new(if debian.exists() { debian } else { Path::new("python3") });
        python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client.py"));
        let output = python.args([&self.address, method, message]).args(metadata).output();
        let output = output.expect("python3, of the package `python3-grpcio`");
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{wrong}; on Debian: apt-get install python3-grpcio");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Asks it to stop, as Ctrl-C does, and gives back what it said to the end.
    pub fn interrupt(mut self) -> String {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
        let ended = wait_until(Duration::from_secs(15), || {
            self.process.try_wait().expect("its state").is_some()
        });
        assert!(ended, "it goes on after SIGINT");
        assert!(self.process.wait().expect("its state").success());
        let mut rest = String::new();
        self.told.read_to_string(&mut rest).expect("its output");
        rest
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Of no use where it has ended, and of no harm.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
