//! What happened to one key, as its caller saw it: one line of a history file each.

use std::{
    fmt, fs, io,
    path::Path,
    str::{FromStr, SplitWhitespace},
    time::Duration,
};

/// One call, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The process that called.
    pub process: u32,
    /// The row.
    pub key: u32,
    /// When the call began, in nanoseconds of [`clock::now`](crate::clock::now).
    pub invoked: u64,
    /// When it returned, or when the caller left.
    pub returned: u64,
    /// What it did.
    pub call: Call,
}

impl Event {
    /// How long the call took.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.returned - self.invoked)
    }
}

/// What a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A read that returned this version.
    Read {
        /// The version of the row.
        version: u64,
        /// Where it came from.
        source: Source,
    },
    /// A read whose caller left, or that failed.
    LostRead,
    /// A write that committed this version and returned.
    Write {
        /// The version of the row.
        version: u64,
        /// Whether its invalidation got through; else only readers in its own process are bound to see it.
        applied: bool,
    },
    /// A write whose caller left, or that failed: it may be committed, now or later, or never.
    LostWrite,
}

/// Where a read got its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// From the cache.
    Cache,
    /// From the caller's own load.
    Load,
    /// From another caller's call.
    Joined,
    /// From the database, past the cache.
    Bypass,
}

impl Source {
    const ALL: [Source; 4] = [Source::Cache, Source::Load, Source::Joined, Source::Bypass];

    fn word(self) -> &'static str {
        match self {
            Source::Cache => "cache",
            Source::Load => "load",
            Source::Joined => "joined",
            Source::Bypass => "bypass",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { process, key, invoked, returned, call } = self;
        write!(f, "{process} {key} {invoked} {returned} ")?;
        match call {
            Call::Read { version, source } => write!(f, "read {version} {source}"),
            Call::LostRead => f.write_str("lost-read"),
            Call::Write { version, applied: true } => write!(f, "write {version} applied"),
            Call::Write { version, applied: false } => write!(f, "write {version} pending"),
            Call::LostWrite => f.write_str("lost-write"),
        }
    }
}

impl FromStr for Event {
    type Err = io::Error;

    fn from_str(line: &str) -> io::Result<Event> {
        parse(line).ok_or_else(|| io::Error::other(format!("not a line of a history: {line:?}")))
    }
}

fn parse(line: &str) -> Option<Event> {
    fn number<T: FromStr>(words: &mut SplitWhitespace<'_>) -> Option<T> {
        words.next()?.parse().ok()
    }
    let mut words = line.split_whitespace();
    let (process, key) = (number(&mut words)?, number(&mut words)?);
    let (invoked, returned) = (number(&mut words)?, number(&mut words)?);
    let call = match words.next()? {
        "read" => {
            let version = number(&mut words)?;
            let word = words.next()?;
            let source = Source::ALL.into_iter().find(|source| source.word() == word)?;
            Call::Read { version, source }
        }
        "lost-read" => Call::LostRead,
        "write" => {
            let version = number(&mut words)?;
            let applied = match words.next()? {
                "applied" => true,
                "pending" => false,
                _ => return None,
            };
            Call::Write { version, applied }
        }
        "lost-write" => Call::LostWrite,
        _ => return None,
    };
    words.next().is_none().then_some(Event { process, key, invoked, returned, call })
}

/// Writes a history file.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, events: &[Event]) -> io::Result<()> {
    let mut out = io::BufWriter::new(fs::File::create(path)?);
    events
        .iter()
        .try_for_each(|event| io::Write::write_fmt(&mut out, format_args!("{event}\n")))?;
    io::Write::flush(&mut out)
}

/// Reads a history file.
///
/// # Errors
/// When the file cannot be read, or a line of it is no event.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    fs::read_to_string(path)?.lines().map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let event = |call| Event { process: 1, key: 2, invoked: 3, returned: u64::MAX, call };
        let mut events = vec![
            event(Call::LostRead),
            event(Call::LostWrite),
            event(Call::Write { version: 4, applied: true }),
            event(Call::Write { version: 0, applied: false }),
        ];
        events.extend(Source::ALL.map(|source| event(Call::Read { version: 5, source })));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history");
        write(&path, &events).unwrap();
        assert_eq!(read(&path).unwrap(), events);
    }

    #[test]
    fn half_a_line_is_an_error() {
        let lines = ["", "1 2 3", "1 2 3 4 read 5", "1 2 3 4 write 5", "1 2 3 4 lost-read 5"];
        for line in lines {
            assert!(line.parse::<Event>().is_err(), "{line:?}");
        }
    }
}
