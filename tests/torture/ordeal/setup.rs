//! What runs, and how.

use std::{fmt, str::FromStr, time::Duration};

/// What is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// This library over Redis.
    Lease,
    /// The same with an in-process tier.
    Local,
    /// `GET`, `SETEX` after a miss; `DEL` after the commit.
    Delete,
    /// The same, and a second `DEL` so many milliseconds after the first.
    DoubleDelete(u16),
    /// A fill that does not replace what is there.
    SetNx,
    /// A lease whose token names the process, and not the load.
    ClientLease,
    /// Reads that are answered with the old value while somebody loads the new one.
    WeakReads,
    /// A tier in each process that is cleared by messages, over this library's reads.
    PubSubTier,
    /// Joins whatever load is under way, before this library's reads.
    NaiveFlight,
}

impl Subject {
    /// The textbook's ways, all of which are to fail.
    pub const NAIVE: [Subject; 8] = [
        Subject::Delete,
        Subject::DoubleDelete(50),
        Subject::DoubleDelete(500),
        Subject::SetNx,
        Subject::ClientLease,
        Subject::WeakReads,
        Subject::PubSubTier,
        Subject::NaiveFlight,
    ];

    /// Whether it is this library alone.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Subject::Lease | Subject::Local)
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn title(self) -> String {
        match self {
            Subject::Lease => "**cachekit**".to_owned(),
            Subject::Local => "**cachekit**, in-process tier".to_owned(),
            Subject::Delete => "commit, then delete".to_owned(),
            Subject::DoubleDelete(ms) => format!("delayed double delete, {ms} ms"),
            Subject::SetNx => "fill only if absent (`SETNX`)".to_owned(),
            Subject::ClientLease => "lease with one token a client".to_owned(),
            Subject::WeakReads => "lock and delayed delete, weak reads".to_owned(),
            Subject::PubSubTier => "local tier cleared by pub/sub".to_owned(),
            Subject::NaiveFlight => "single flight that joins any load".to_owned(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Lease => f.write_str("lease"),
            Subject::Local => f.write_str("local"),
            Subject::Delete => f.write_str("delete"),
            Subject::DoubleDelete(ms) => write!(f, "double-delete-{ms}"),
            Subject::SetNx => f.write_str("setnx"),
            Subject::ClientLease => f.write_str("client-lease"),
            Subject::WeakReads => f.write_str("weak-reads"),
            Subject::PubSubTier => f.write_str("pubsub-tier"),
            Subject::NaiveFlight => f.write_str("naive-flight"),
        }
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Subject, String> {
        let ours = [Subject::Lease, Subject::Local];
        let mut all = ours.into_iter().chain(Subject::NAIVE);
        all.find(|subject| subject.to_string() == text)
            .ok_or_else(|| format!("no such subject: {text}"))
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What is under test.
    pub subject: Subject,
    /// How far reads may be behind the writes of other processes.
    pub bound: Duration,
    /// For how long callers call.
    pub seconds: u64,
    /// Of all choices.
    pub seed: u64,
    /// How many processes there are at a time.
    pub processes: u32,
    /// How many callers each process has.
    pub callers: u32,
    /// How many items there are; some are called far more often than others.
    pub keys: u32,
    /// How many calls of a hundred write.
    pub writes: u8,
    /// Whether anything fails.
    pub faults: bool,
    /// The longest pause after a fault.
    pub calm: Duration,
    /// Whether processes repair what others left behind.
    pub relay: bool,
}

impl Setup {
    /// The usual run of this subject.
    #[must_use]
    pub fn of(subject: Subject, seconds: u64, seed: u64) -> Setup {
        let bound = match subject {
            Subject::Local | Subject::PubSubTier => Duration::from_millis(500),
            _ => Duration::ZERO,
        };
        let faults = subject.is_ours();
        let (processes, callers, keys, writes) = (3, 12, 128, 6);
        Setup {
            subject,
            bound,
            seconds,
            seed,
            processes,
            callers,
            keys,
            writes,
            faults,
            calm: Duration::from_millis(500),
            relay: faults,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_known_by_its_name() {
        for subject in Subject::NAIVE.into_iter().chain([Subject::Lease, Subject::Local]) {
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        assert!("double-delete-7".parse::<Subject>().is_err());
    }
}
