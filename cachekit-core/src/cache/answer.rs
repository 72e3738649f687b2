//! What a read finds, and how.

use std::fmt;

use crate::__private::Shared;

/// A value, or that there is none.
#[derive(Clone)]
pub(crate) enum Answer {
    Value(Shared),
    Absent,
}

impl Answer {
    /// The value, if it is one.
    pub(crate) fn value(&self) -> Option<Shared> {
        match self {
            Self::Value(value) => Some(value.clone()),
            Self::Absent => None,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value(_) => "Value(..)",
            Self::Absent => "Absent",
        })
    }
}

/// How a cached read got its answer; see [`with_status`](crate::with_status).
#[repr(usize)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It was in the cache.
    Hit,
    /// It was in the cache and is known to be out of date.
    Stale,
    /// This call ran the function's body and filled the cache, or tried to.
    Loaded,
    /// Another call that was under way found it.
    Joined,
    /// This call ran the function's body without the cache.
    Bypassed,
    /// This call got an error of the cache's own: time was up, or too many others were loading.
    Refused,
    /// A Bloom filter says that there is nothing to be found.
    Filtered,
}

impl Status {
    /// One word for logs, metrics and headers.
    ///
    /// ```
    /// assert_eq!(cachekit_core::Status::Hit.as_str(), "hit");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Loaded => "loaded",
            Self::Joined => "joined",
            Self::Bypassed => "bypassed",
            Self::Refused => "refused",
            Self::Filtered => "filtered",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
