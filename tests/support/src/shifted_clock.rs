//! A wall clock for a Redis of one's own, which a test can set.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// What is preloaded; it is compiled where it is needed.
const SHIM: &str = include_str!("clock_shim.c");

/// A wall clock that differs from the system's by as much as a test says.
///
/// ```no_run
/// use cachekit_test_support::{RedisServer, ShiftedClock};
///
/// let clock = ShiftedClock::new();
/// let server = RedisServer::start_with(&[], &clock.env());
/// clock.shift_ms(5_000); // what had up to five seconds to live is gone
/// # drop(server);
/// ```
#[derive(Debug)]
pub struct ShiftedClock {
    dir: TempDir,
    shim: String,
    offset: String,
}

impl ShiftedClock {
    /// A clock that is right.
    ///
    /// # Panics
    /// When there is no C compiler.
    #[must_use]
    pub fn new() -> ShiftedClock {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = |name| dir.path().join(name).display().to_string();
        let (source, shim, offset) = (path("shim.c"), path("shim.so"), path("offset"));
        fs::write(&source, SHIM).expect("the source");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o", &shim, &source]);
        let status =
            compiler.status().expect("a C compiler; install it: apt-get install -y gcc libc6-dev");
        assert!(status.success(), "{compiler:?} ended with {status}");
        let clock = ShiftedClock { dir, shim, offset };
        clock.shift_ms(0);
        clock
    }

    /// What the server's environment needs.
    #[must_use]
    pub fn env(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", &self.shim), ("CACHEKIT_CLOCK", &self.offset)]
    }

    /// From now on the clock is ahead of the system's by so much, or behind.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn shift_ms(&self, by: i64) {
        let path = PathBuf::from(&self.offset);
        debug_assert!(path.starts_with(self.dir.path()));
        // In place: the server has it mapped.
        let file = fs::OpenOptions::new().create(true).write(true).truncate(false).open(path);
        let bytes = by.saturating_mul(1_000).to_ne_bytes();
        let mut file = file.expect("the offset's file");
        std::io::Write::write_all(&mut file, &bytes).expect("the offset");
    }
}

impl Default for ShiftedClock {
    fn default() -> ShiftedClock {
        ShiftedClock::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RedisServer, Reply};

    #[test]
    fn a_redis_sees_time_jump() {
        let clock = ShiftedClock::new();
        let server = RedisServer::start_with(&[], &clock.env());
        let mut redis = server.connection();
        redis.call(&["SET", "k", "v", "PX", "60000"]);
        clock.shift_ms(-30_000);
        let Reply::Int(left) = redis.call(&["PTTL", "k"]) else { panic!("it has an end") };
        assert!(left > 60_000, "{left} ms");
        clock.shift_ms(61_000);
        assert_eq!(redis.call(&["GET", "k"]), Reply::Bulk(None));
    }
}
