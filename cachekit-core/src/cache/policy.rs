//! How long an answer is kept, and what it weighs.

use std::{any::Any, time::Duration};

use super::{Age, Answer, ahead::Ahead, bounds::Bounds, life::LifeOf};
use crate::ttl::Ttl;

/// How long an absence is kept where nothing else is said, unless values live even shorter.
const NEGATIVE_TTL: Duration = Duration::from_secs(30);

type Weigher = fn(&(dyn Any + Send + Sync)) -> u32;
pub(super) type TtlOf = fn(&(dyn Any + Send + Sync)) -> Option<Ttl>;

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
    pub(super) ttl: Ttl,
    negative: Negative,
    weigher: Option<Weigher>,
    in_process: bool,
    pub(super) stale_while_revalidate_ms: u64,
    pub(super) stale_if_error_ms: u64,
    pub(super) bounds: Bounds,
    revalidate_within_ms: u64,
    ahead: Option<Ahead>,
    /// Whether the caller can load in the background.
    background: bool,
    pub(super) ttl_of: Option<TtlOf>,
    pub(super) life_of: Option<LifeOf>,
}

/// How long an answer is good, and how long it is kept for those who may use one that is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) fresh_ms: u64,
    pub(crate) kept_ms: u64,
    /// Whether an entry says of itself how old it is although it is good to its end.
    pub(crate) told: bool,
}

impl Lifetime {
    /// What an entry says of it: 0 where only its end counts.
    pub(crate) fn soft_ttl_ms(self) -> u32 {
        if self.told || self.kept_ms > self.fresh_ms {
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
            revalidate_within_ms: 0,
            ahead: None,
            background: false,
            ttl_of: None,
            life_of: None,
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

    /// Whether processes with a [local tier](crate::CacheBuilder) may keep a copy of values that are in Redis; yes by
    /// default. A cache without Redis keeps them all the same: it has nothing else.
    #[must_use]
    pub const fn l1(self, kept: bool) -> Self {
        Self { in_process: kept, ..self }
    }

    /// Keeps values for this long after their TTL, and answers them as [`Status::Stale`](crate::Status::Stale) while
    /// one load is under way; nothing is by default.
    ///
    /// That load runs in the background under an attribute and under
    /// [`get_or_refresh`](crate::Cache::get_or_refresh); otherwise one of the callers runs it, and the others are
    /// given the old value meanwhile. It is one for each key and process, and with Redis, as a rule, one for all
    /// processes. A value that was invalidated is never answered: this is about time alone.
    #[must_use]
    pub const fn stale_while_revalidate(self, window: Duration) -> Self {
        Self { stale_while_revalidate_ms: millis(window), ..self }
    }

    /// The longest that any answer may be kept, as far as that is known before there is one.
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(crate) fn longest_ms(&self) -> u64 {
        let ttl = self.ttl.base().saturating_add(self.ttl.jitter());
        let absent = match self.negative {
            Negative::Kept(ttl) => ttl.base().saturating_add(ttl.jitter()),
            Negative::Default | Negative::NotKept => Duration::ZERO,
        };
        let stale_ms = self.stale_while_revalidate_ms.max(self.stale_if_error_ms);
        millis(ttl.max(absent)).saturating_add(stale_ms.max(self.revalidate_within_ms))
    }

    /// Whether its values say what they weigh.
    pub(crate) fn is_weighed(&self) -> bool {
        self.weigher.is_some()
    }

    pub(crate) fn is_in_process(&self) -> bool {
        self.in_process
    }

    /// How long this answer is good and kept, its TTL drawn anew; `None` if it is not to be kept.
    pub(crate) fn draw_lifetime(&self, answer: &Answer) -> Option<Lifetime> {
        if self.is_for_now(answer) {
            return None;
        }
        self.of(answer).draw(answer)
    }

    fn draw(&self, answer: &Answer) -> Option<Lifetime> {
        let fresh_ms = self.draw_ttl_ms(answer)?;
        let stale_ms = self.stale_while_revalidate_ms.max(self.stale_if_error_ms);
        let kept_ms = fresh_ms.saturating_add(stale_ms.max(self.revalidate_within_ms));
        Some(Lifetime { fresh_ms, kept_ms, told: self.background || self.ahead.is_some() })
    }

    /// A TTL for this answer in milliseconds, drawn anew; `None` if it is not to be kept.
    fn draw_ttl_ms(&self, answer: &Answer) -> Option<u64> {
        match (answer, self.negative) {
            (Answer::Value(value), _) => {
                let own = self.ttl_of.and_then(|ttl_of| ttl_of(value.as_ref()));
                Some(own.unwrap_or(self.ttl).sample_ms())
            }
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

/// What a load behind the callers' backs goes by.
impl Policy {
    /// Loads anew when less than `margin` of the TTL is left; a margin of more than half of the TTL counts as half.
    ///
    /// The caller that finds an entry so old is answered with it at once, and the load runs in the background: under
    /// an attribute, or under [`get_or_refresh`](crate::Cache::get_or_refresh). Other reads begin none.
    /// Where nothing is said, those begin the earlier the longer the load takes: before its last moments an entry is
    /// refreshed with a probability of `e^-(left / cost)` a read (XFetch), so that of many readers one comes first.
    #[must_use]
    pub const fn refresh_ahead(self, margin: Duration) -> Self {
        Self { ahead: Some(Ahead::Margin(millis(margin))), ..self }
    }

    /// [`refresh_ahead`](Self::refresh_ahead) with the margin as a share of the TTL, 1 to 50 %.
    #[must_use]
    pub const fn refresh_ahead_percent(self, percent: u8) -> Self {
        let percent = if percent == 0 { 1 } else { percent };
        Self { ahead: Some(Ahead::Percent(percent)), ..self }
    }

    /// Keeps values for this long after their TTL, for loads that only ask whether they still hold; see
    /// [`get_or_revalidate`](crate::Cache::get_or_revalidate). By itself it lets nobody be answered with them.
    #[must_use]
    pub const fn revalidate_within(self, window: Duration) -> Self {
        Self { revalidate_within_ms: millis(window), ..self }
    }

    /// Lets values of type `T` say how long they are good; what was given to [`new`](Self::new) goes for values of
    /// other types.
    #[must_use]
    pub fn ttl_from<T: HasTtl + Send + Sync + 'static>(self) -> Self {
        let ttl_of: TtlOf = |value| value.downcast_ref::<T>().map(HasTtl::ttl);
        Self { ttl_of: Some(ttl_of), ..self }
    }

    /// For a caller that can load in the background.
    pub(crate) const fn in_background(self) -> Self {
        Self { background: true, ..self }
    }

    pub(crate) const fn is_in_background(&self) -> bool {
        self.background
    }

    /// With another TTL, which the value at hand asked for.
    pub(crate) const fn with_ttl(self, ttl: Ttl) -> Self {
        Self { ttl, ttl_of: None, ..self }
    }

    /// Whether an entry that has been out of date for so long is answered while a load is under way.
    pub(crate) const fn revalidates(&self, for_ms: u64) -> bool {
        for_ms < self.stale_while_revalidate_ms
    }

    /// Whether an entry that is good for `left_ms` more should be loaded anew.
    pub(crate) fn is_due(&self, left_ms: u64, age: &Age) -> bool {
        self.background && self.ahead.unwrap_or(Ahead::ByCost).is_due(left_ms, age)
    }

    /// Whether [`is_due`](Self::is_due) may say so to a caller that can load in the background.
    pub(crate) fn may_be_due(&self, left_ms: u64, age: &Age) -> bool {
        self.ahead.unwrap_or(Ahead::ByCost).may_be_due(left_ms, age)
    }
}

/// Says how long a value is good.
///
/// ```
/// use std::time::Duration;
/// use cachekit_core::{HasTtl, Policy, Ttl};
///
/// struct Quote { open: bool }
///
/// impl HasTtl for Quote {
///     fn ttl(&self) -> Ttl {
///         Duration::from_secs(if self.open { 1 } else { 3600 }).into()
///     }
/// }
///
/// let policy = Policy::new(Duration::from_secs(60)).ttl_from::<Quote>();
/// # let _ = policy;
/// ```
pub trait HasTtl {
    /// The time to live, asked for once when the value was loaded. Never called under a lock.
    fn ttl(&self) -> Ttl;
}

pub(super) const fn millis(time: Duration) -> u64 {
    let millis = time.as_millis();
    if millis > u64::MAX as u128 { u64::MAX } else { millis as u64 }
}

/// 0 stands for none where a time is optional.
pub(super) const fn at_least_1(millis: u64) -> u64 {
    if millis == 0 { 1 } else { millis }
}
