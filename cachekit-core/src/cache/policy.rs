//! How long an answer is kept, and what it weighs.

use std::{any::Any, time::Duration};

use super::Answer;
use crate::ttl::Ttl;

/// How long an absence is kept where nothing else is said, unless values live even shorter.
const NEGATIVE_TTL: Duration = Duration::from_secs(30);

type Weigher = fn(&(dyn Any + Send + Sync)) -> u32;

/// How the answers of one function are kept.
///
/// An absent answer (`None`) is kept as well, for 30 s or the TTL of values, whichever is
/// shorter, unless [`negative_ttl`](Self::negative_ttl) or [`never_absent`](Self::never_absent)
/// says otherwise. An insert has to invalidate the key like an update does; see the
/// [guide](crate::docs::invalidation).
///
/// ```
/// use std::time::Duration;
/// use cachekit_core::{Policy, Ttl};
///
/// let policy = Policy::new(Ttl::parse("30m±5m")?).negative_ttl(Duration::from_secs(10));
/// # assert_eq!(policy.ttl().base(), Duration::from_secs(1800));
/// # Ok::<(), cachekit_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    ttl: Ttl,
    negative: Negative,
    weigher: Option<Weigher>,
}

#[derive(Clone, Copy, Debug)]
enum Negative {
    Default,
    Kept(Ttl),
    NotKept,
}

/// Says what a value weighs in the in-process tier, for caches bounded by weight.
///
/// ```
/// struct Page(Vec<u8>);
///
/// impl cachekit_core::Weigh for Page {
///     fn weight(&self) -> u32 {
///         self.0.len().try_into().unwrap_or(u32::MAX)
///     }
/// }
/// ```
pub trait Weigh {
    /// The weight, in the unit of [`CacheBuilder::max_weight`](crate::CacheBuilder::max_weight).
    /// 0 counts as 1. Called once for each value, never under a lock.
    fn weight(&self) -> u32;
}

impl Policy {
    /// Keeps values for `ttl`.
    #[must_use]
    pub fn new(ttl: impl Into<Ttl>) -> Self {
        Self::from_parts(ttl.into(), None)
    }

    /// The constant form of [`new`](Self::new) and [`negative_ttl`](Self::negative_ttl), which
    /// the attributes use.
    #[must_use]
    pub const fn from_parts(ttl: Ttl, negative: Option<Ttl>) -> Self {
        let negative = match negative {
            Some(ttl) => Negative::Kept(ttl),
            None => Negative::Default,
        };
        Self { ttl, negative, weigher: None }
    }

    /// Keeps the absence of a value for `ttl`; by default for 30 s, or as long as values if those
    /// live shorter.
    #[must_use]
    pub fn negative_ttl(self, ttl: impl Into<Ttl>) -> Self {
        Self { negative: Negative::Kept(ttl.into()), ..self }
    }

    /// Does not keep the absence of a value: each read of an absent key runs its loader.
    #[must_use]
    pub const fn never_absent(self) -> Self {
        Self { negative: Negative::NotKept, ..self }
    }

    /// Lets values of type `T` say what they weigh. Without it each counts 1.
    #[must_use]
    pub fn weighed<T: Weigh + Send + Sync + 'static>(self) -> Self {
        let weigher: Weigher = |value| value.downcast_ref::<T>().map_or(1, Weigh::weight);
        Self { weigher: Some(weigher), ..self }
    }

    /// How long values are kept.
    #[must_use]
    pub const fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// A TTL for this answer in milliseconds, drawn anew; `None` if it is not to be kept.
    pub(crate) fn draw_ttl_ms(&self, answer: &Answer) -> Option<u64> {
        match (answer, self.negative) {
            (Answer::Value(_), _) => Some(self.ttl.sample_ms()),
            (Answer::Absent, Negative::Kept(ttl)) => Some(ttl.sample_ms()),
            (Answer::Absent, Negative::Default) => {
                Some(self.ttl.sample_ms().min(NEGATIVE_TTL.as_millis() as u64))
            }
            (Answer::Absent, Negative::NotKept) => None,
        }
    }

    /// What this answer weighs. Runs the user's code.
    pub(crate) fn weight_of(&self, answer: &Answer) -> u32 {
        match (answer, self.weigher) {
            (Answer::Value(value), Some(weigher)) => weigher(value.as_ref()).max(1),
            _ => 1,
        }
    }
}
