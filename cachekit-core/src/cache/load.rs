//! What becomes of a value that was loaded under a lease.

use super::{
    Answer, Lifetime, Old, Status,
    attempt::{Attempt, own_if_deposed},
};
use crate::{
    __private::Split,
    entry::Stamps,
    flight::{Role, Settled, Verdict},
    store::{Expected, Fill, Filled, Hold, StoreError},
};

/// What takes the place of the lease where a value is not kept, for a moment: only that it could is of interest, for
/// then nothing was invalidated. No reader of values takes it for one.
static UNKEPT: Answer = Answer::Absent;
const AT_ONCE: Lifetime = Lifetime { fresh_ms: 1, kept_ms: 1, told: false };

/// What a load's value may take the place of: a lease, which the watchdog extends while it is held, or an entry that
/// is out of date.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) expected: Expected,
    /// What is there meanwhile.
    pub(super) old: Option<Box<Old>>,
    pub(super) _hold: Option<Hold>,
    pub(super) began_ms: u64,
    /// The generations of its tags before it began, if it has tags.
    pub(super) stamps: Option<Stamps>,
}

/// A loaded answer on its way into the store.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) role: Role,
    lease: Leased,
    answer: Answer,
    /// None for an answer that is shared and not kept.
    lifetime: Option<Lifetime>,
}

impl Attempt {
    pub(super) async fn settle_leased(
        &mut self,
        role: Role,
        lease: Leased,
        split: Split,
    ) -> Option<Verdict> {
        let filling = match self.begin_fill(role, lease, split) {
            Ok(filling) => filling,
            Err(verdict) => return verdict,
        };
        // A deposed leader fills as well: of two loads under one lease one enters, no matter which.
        filling.role.fill_sent();
        let filled = match &self.tags {
            None => match self.fill_of(&filling) {
                Ok(fill) => self.engine.store.fill(self.key().as_str(), fill).await,
                Err(error) => Err(error),
            }
            .map(Filled::from),
            Some(tags) => Box::pin(self.fill_under(&filling, tags)).await,
        };
        self.after_fill(filling, filled)
    }

    /// What there is to fill; where there is nothing, the flight is settled right here.
    pub(super) fn begin_fill(
        &mut self,
        role: Role,
        mut lease: Leased,
        split: Split,
    ) -> Result<Filling, Option<Verdict>> {
        let answer = self.loaded(&role, &mut lease.old, split)?;
        match self.ask.policy.draw_lifetime(&answer) {
            Some(lifetime) => Ok(Filling { role, lease, answer, lifetime: Some(lifetime) }),
            None if self.ask.policy.is_for_now(&answer) => {
                Ok(Filling { role, lease, answer, lifetime: None })
            }
            None => {
                let settled = role.unknown(&answer);
                Err(self.after(settled, role))
            }
        }
    }

    pub(super) fn fill_of<'a>(&self, filling: &'a Filling) -> Result<Fill<'a>, StoreError> {
        let Filling { lease, answer, lifetime, .. } = filling;
        let codec = self.ask.codec.ok_or(StoreError::Unencodable)?;
        let cost = self.engine.clock.now_ms().saturating_sub(lease.began_ms);
        Ok(Fill {
            expected: lease.expected,
            answer: if lifetime.is_some() { answer } else { &UNKEPT },
            codec,
            lifetime: lifetime.unwrap_or(AT_ONCE),
            load_cost_ms: cost.try_into().unwrap_or(u32::MAX),
            stamps: lease.stamps.clone(),
            local: lifetime.is_some() && self.ask.policy.is_in_process(),
        })
    }

    pub(super) fn after_fill(
        &mut self,
        filling: Filling,
        filled: Result<Filled, StoreError>,
    ) -> Option<Verdict> {
        let Filling { role, lease, answer, .. } = filling;
        drop(lease);
        let answer = &answer;
        let settled = match filled {
            Ok(Filled::Accepted) => {
                return own_if_deposed(role.accepted(answer, Status::Loaded), Status::Loaded);
            }
            Ok(Filled::Outdated) => role.outdated(answer),
            Ok(Filled::Refused) => {
                self.engine.reporter.fill_refused(self.key().template());
                role.refused(answer)
            }
            Err(error) => {
                self.engine.reporter.fill_failed(self.key().template(), error.reason());
                role.unknown(answer)
            }
        };
        match settled {
            Settled::Over => None,
            settled => self.after(settled, role),
        }
    }
}
