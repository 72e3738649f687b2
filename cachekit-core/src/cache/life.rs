//! Values that say of themselves how long they are good, and for how long they will do after that.

use std::{any::Any, time::Duration};

use super::{Answer, Policy, policy::millis};
use crate::ttl::Ttl;

pub(super) type LifeOf = fn(&(dyn Any + Send + Sync)) -> Option<Life>;

/// How long one value is good, and for how long after that it is answered in the place of a better one.
///
/// ```
/// use std::time::Duration;
/// use cachekit_core::Life;
///
/// let life = Life::new(Duration::from_secs(30)).stale_if_error(Duration::from_secs(3600));
/// assert_ne!(life, Life::NONE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    fresh_ms: u64,
    revalidate_ms: u64,
    error_ms: u64,
    failed: bool,
}

impl Life {
    /// It is not kept. Who waits for its load is given it all the same, if nothing was invalidated meanwhile.
    pub const NONE: Self = Self { fresh_ms: 0, revalidate_ms: 0, error_ms: 0, failed: false };

    /// It says that its source failed: as [`NONE`](Self::NONE), but an old value that will do instead, by
    /// [`Policy::stale_if_error`], goes before it.
    pub const FAILED: Self = Self { failed: true, ..Self::NONE };

    /// It is good for that long; below a millisecond it is [`NONE`](Self::NONE).
    #[must_use]
    pub const fn new(fresh: Duration) -> Self {
        Self { fresh_ms: millis(fresh), ..Self::NONE }
    }

    /// [`Policy::stale_while_revalidate`] for this value; the policy's own is the most there is.
    #[must_use]
    pub const fn stale_while_revalidate(self, window: Duration) -> Self {
        Self { revalidate_ms: millis(window), ..self }
    }

    /// [`Policy::stale_if_error`] for this value; the policy's own is the most there is.
    #[must_use]
    pub const fn stale_if_error(self, window: Duration) -> Self {
        Self { error_ms: millis(window), ..self }
    }
}

/// Says how long a value is good, and for how long it will do after that; see [`Policy::life_from`].
pub trait HasLife {
    /// Asked for when the value was loaded, and again when it is found past its time. Never called under a lock.
    fn life(&self) -> Life;
}

impl Policy {
    /// Lets values of type `T` say how long they are good and for how long they will do after that, each within the
    /// windows of this policy; what was given to [`new`](Self::new) goes for values of other types. One whose life is
    /// [`Life::NONE`] is shared with those who wait for its load, and not kept.
    ///
    /// Over Redis the policy's TTL must not be shorter than that of any value: generations of
    /// [tags](crate::Cache::tagged) are kept by it.
    #[must_use]
    pub fn life_from<T: HasLife + Send + Sync + 'static>(mut self) -> Self {
        let life_of: LifeOf = |value| value.downcast_ref::<T>().map(HasLife::life);
        self.life_of = Some(life_of);
        self
    }

    /// This policy as it is for one answer.
    pub(crate) fn of(&self, answer: &Answer) -> Self {
        let mut policy = *self;
        if let Some(life) = self.life(answer) {
            policy.ttl = Ttl::from_millis(life.fresh_ms, 0);
            policy.ttl_of = None;
            policy.stale_while_revalidate_ms =
                life.revalidate_ms.min(self.stale_while_revalidate_ms);
            policy.stale_if_error_ms = life.error_ms.min(self.stale_if_error_ms);
        }
        policy
    }

    /// Whether this answer says that it is not to be kept.
    pub(super) fn is_for_now(&self, answer: &Answer) -> bool {
        self.life(answer).is_some_and(|life| life.fresh_ms == 0)
    }

    /// Whether this answer says that its source failed.
    pub(super) fn is_failure(&self, answer: &Answer) -> bool {
        self.life(answer).is_some_and(|life| life.failed)
    }

    fn life(&self, answer: &Answer) -> Option<Life> {
        match (self.life_of, answer) {
            (Some(life_of), Answer::Value(value)) => life_of(value.as_ref()),
            _ => None,
        }
    }
}
