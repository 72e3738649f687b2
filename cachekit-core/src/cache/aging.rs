//! How old an entry is that was found, and what its finder makes of it.

use super::{Answer, Mark, Policy, Status};
use crate::{
    engine::Engine,
    entry::Id,
    key::KeyRef,
    store::Found,
    tier::{Entry, Extra},
};

/// What is known of the age of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    /// How long until it is out of date, less than nothing if it is; `None` if only its end counts.
    pub(crate) left_ms: Option<i64>,
    /// How long it is good in all.
    pub(crate) ttl_ms: u32,
    pub(crate) load_cost_ms: u32,
    /// Of the entry in the shared tier, where that is known.
    pub(crate) id: Option<Id>,
    /// From when on it is out of date, by this process' clock: no two entries of a key share it.
    pub(crate) stale_ms: Option<u64>,
}

/// What an entry's age means under a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aged {
    /// It is an answer.
    Fresh,
    /// It is an answer, and somebody should load anew while it is.
    RefreshSoon,
    /// It has been out of date for so long, although nothing voided it.
    Stale { for_ms: u64 },
}

/// What a caller does with an entry that it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It is the caller's answer.
    Answer(Status),
    /// It is the caller's answer, and a load in the background is due.
    Renew(Status),
    /// A load comes first. Meanwhile the others may have the old answer, or wait.
    Load { others_wait: bool },
}

impl Age {
    pub(crate) fn of(found: &Found) -> Self {
        Self {
            left_ms: found.fresh_for_ms,
            ttl_ms: found.soft_ttl_ms,
            load_cost_ms: found.load_cost_ms,
            id: Some(found.id),
            stale_ms: None,
        }
    }

    pub(crate) fn of_local(extra: &Extra, now_ms: u64) -> Self {
        let left = |stale: u64| stale.cast_signed().saturating_sub(now_ms.cast_signed());
        Self {
            left_ms: extra.stale_ms.map(left),
            ttl_ms: extra.soft_ttl_ms,
            load_cost_ms: extra.load_cost_ms,
            id: extra.id,
            stale_ms: extra.stale_ms,
        }
    }

    /// What a load takes, as far as it counts for when the next one is due.
    pub(super) fn cost_ms(&self) -> u64 {
        self.load_cost_ms.max(1).into()
    }

    /// Whether it is an answer, and no load is due behind it whoever asks.
    pub(super) fn is_fresh(&self, policy: &Policy) -> bool {
        let is_fresh = |left: i64| left > 0 && !policy.may_be_due(left.unsigned_abs(), self);
        self.left_ms.is_none_or(is_fresh)
    }
}

impl Aged {
    pub(crate) fn of(age: &Age, policy: &Policy) -> Self {
        match age.left_ms {
            None => Self::Fresh,
            Some(left) if left <= 0 => Self::Stale { for_ms: left.unsigned_abs() },
            Some(left) if policy.is_due(left.unsigned_abs(), age) => Self::RefreshSoon,
            Some(_) => Self::Fresh,
        }
    }
}

impl Use {
    pub(crate) fn of(engine: &Engine, key: &KeyRef<'_>, policy: &Policy, age: &Age) -> Self {
        match Aged::of(age, policy) {
            Aged::Fresh => Self::Answer(Status::Hit),
            Aged::RefreshSoon => Self::Renew(Status::Hit),
            Aged::Stale { for_ms }
                if policy.tolerates(for_ms)
                    && engine.marks.is_failing(key, engine.clock.now_ms()) =>
            {
                Self::Answer(Status::Stale)
            }
            Aged::Stale { for_ms } if policy.bridges(for_ms) => Self::Renew(Status::Stale),
            Aged::Stale { for_ms } if !policy.revalidates(for_ms) => {
                Self::Load { others_wait: true }
            }
            Aged::Stale { .. } if policy.is_in_background() => Self::Renew(Status::Stale),
            Aged::Stale { .. } if engine.marks.is_taken(key, engine.clock.now_ms()) => {
                Self::Answer(Status::Stale)
            }
            Aged::Stale { .. } => Self::Load { others_wait: false },
        }
    }
}

/// An answer that is out of date, for a load that it may have to stand in for. Before it is served
/// after the load it must be known to stand still: what came between may have voided it.
#[derive(Debug)]
pub(crate) struct Old {
    pub(crate) answer: Answer,
    pub(crate) age: Age,
    /// That others of this process, and of others, need not load as well.
    pub(crate) mark: Option<Mark>,
}

impl Old {
    pub(crate) fn of_local(entry: &Entry, now_ms: u64) -> Option<Self> {
        let age = Age::of_local(entry.extra()?, now_ms);
        Some(Self { answer: entry.answer().clone(), age, mark: None })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ttl::Ttl;

    const PLAIN: Policy = Policy::from_parts(Ttl::from_millis(10_000, 0), None);

    fn age(left_ms: i64, load_cost_ms: u32) -> Age {
        Age { left_ms: Some(left_ms), ttl_ms: 10_000, load_cost_ms, id: None, stale_ms: None }
    }

    #[test]
    fn an_entry_is_due_when_less_than_the_margin_is_left() {
        let tenth = PLAIN.refresh_ahead_percent(10).in_background();
        let second = PLAIN.refresh_ahead(Duration::from_secs(1)).in_background();
        for policy in [tenth, second] {
            assert_eq!(Aged::of(&age(1_000, 0), &policy), Aged::Fresh);
            assert_eq!(Aged::of(&age(999, 0), &policy), Aged::RefreshSoon);
            assert_eq!(Aged::of(&age(0, 0), &policy), Aged::Stale { for_ms: 0 });
            assert_eq!(Aged::of(&age(-7, 0), &policy), Aged::Stale { for_ms: 7 });
        }
        assert_eq!(Aged::of(&age(1, 0), &PLAIN.refresh_ahead_percent(10)), Aged::Fresh);
    }

    #[test]
    fn a_margin_is_at_most_half_of_the_time_to_live() {
        let always = PLAIN.refresh_ahead(Duration::from_secs(60)).in_background();
        assert_eq!(Aged::of(&age(5_000, 0), &always), Aged::Fresh);
        assert_eq!(Aged::of(&age(4_999, 0), &always), Aged::RefreshSoon);
    }

    #[test]
    fn the_dearer_the_load_the_earlier_it_is_due() {
        let due = |left_ms, cost| {
            let policy = PLAIN.in_background();
            let aged = (0..10_000).map(|_| Aged::of(&age(left_ms, cost), &policy));
            aged.filter(|aged| *aged == Aged::RefreshSoon).count()
        };
        // e^-(left / cost) of all.
        assert_eq!(due(10_000, 10), 0);
        assert!((3_300..4_100).contains(&due(1_000, 1_000)), "37 % at one cost from the end");
        assert!((1_100..1_650).contains(&due(2_000, 1_000)), "14 % at two");
        assert_eq!(due(1_000, 0), 0, "a load that costs nothing is begun at the end");
    }

    #[test]
    fn an_entry_that_says_nothing_of_its_age_is_good_to_its_end() {
        let silent = Age { left_ms: None, ..age(0, 1_000) };
        assert_eq!(Aged::of(&silent, &PLAIN.in_background()), Aged::Fresh);
    }
}
