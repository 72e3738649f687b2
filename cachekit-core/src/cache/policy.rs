//! How long an answer is kept, and what it weighs.

use std::{any::Any, time::Duration};

use super::{Answer, bounds::Bounds};
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
    in_process: bool,
    stale_while_revalidate_ms: u64,
    stale_if_error_ms: u64,
    pub(super) bounds: Bounds,
}

/// How long an answer is good, and how long it is kept for those who may use one that is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) fresh_ms: u64,
    pub(crate) kept_ms: u64,
}

impl Lifetime {
    /// What an entry says of it: 0 where it is good to its end.
    pub(crate) fn soft_ttl_ms(self) -> u32 {
        if self.kept_ms > self.fresh_ms {
            self.fresh_ms.clamp(1, u32::MAX.into()) as u32
        } else {
            0
        }
    }
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
        Self {
            ttl,
            negative,
            weigher: None,
            in_process: true,
            stale_while_revalidate_ms: 0,
            stale_if_error_ms: 0,
            bounds: Bounds::NONE,
        }
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

    /// Whether processes may keep a copy of values that are in Redis; yes by default.
    #[must_use]
    pub const fn l1(self, kept: bool) -> Self {
        Self { in_process: kept, ..self }
    }

    /// Keeps values for this long after their TTL: they are answered while one caller loads anew.
    #[must_use]
    pub const fn stale_while_revalidate(self, window: Duration) -> Self {
        Self { stale_while_revalidate_ms: millis(window), ..self }
    }

    /// Keeps values for this long after their TTL: they are answered if the load fails.
    #[must_use]
    pub const fn stale_if_error(self, window: Duration) -> Self {
        Self { stale_if_error_ms: millis(window), ..self }
    }

    pub(crate) fn is_in_process(&self) -> bool {
        self.in_process
    }

    /// How long this answer is good and kept, its TTL drawn anew; `None` if it is not to be kept.
    pub(crate) fn draw_lifetime(&self, answer: &Answer) -> Option<Lifetime> {
        let fresh_ms = self.draw_ttl_ms(answer)?;
        let stale_ms = self.stale_while_revalidate_ms.max(self.stale_if_error_ms);
        Some(Lifetime { fresh_ms, kept_ms: fresh_ms.saturating_add(stale_ms) })
    }

    /// A TTL for this answer in milliseconds, drawn anew; `None` if it is not to be kept.
    fn draw_ttl_ms(&self, answer: &Answer) -> Option<u64> {
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

pub(super) const fn millis(time: Duration) -> u64 {
    let millis = time.as_millis();
    if millis > u64::MAX as u128 { u64::MAX } else { millis as u64 }
}

/// 0 stands for none where a time is optional.
pub(super) const fn at_least_1(millis: u64) -> u64 {
    if millis == 0 { 1 } else { millis }
}
