//! What becomes of a value that was loaded under a lease.

use super::{
    Answer, Lifetime, Old, Status,
    attempt::{Attempt, own_if_deposed},
};
use crate::{
    __private::Split,
    flight::{Role, Settled, Verdict},
    store::{Expected, Fill, Hold, StoreError},
};

/// What a load's value may take the place of: a lease, which the watchdog extends while it is held, or an entry that
/// is out of date.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) expected: Expected,
    /// What is there meanwhile.
    pub(super) old: Option<Box<Old>>,
    pub(super) _hold: Option<Hold>,
    pub(super) began_ms: u64,
}

impl Attempt {
    pub(super) async fn settle_leased(
        &mut self,
        role: Role,
        lease: Leased,
        split: Split,
    ) -> Option<Verdict> {
        let answer = match self.loaded(&role, split) {
            Ok(answer) => answer,
            Err(verdict) => return verdict,
        };
        let Some(lifetime) = self.ask.policy.draw_lifetime(&answer) else {
            let settled = role.unknown(&answer);
            return self.after(settled, role);
        };
        // A deposed leader fills as well: of two loads under one lease one enters, no matter which.
        role.fill_sent();
        let filled = self.fill(&lease, &answer, lifetime).await;
        drop(lease);
        self.after_fill(role, &answer, filled)
    }

    async fn fill(
        &self,
        lease: &Leased,
        answer: &Answer,
        lifetime: Lifetime,
    ) -> Result<bool, StoreError> {
        let codec = self.ask.codec.ok_or(StoreError::Unencodable)?;
        let cost = self.engine.clock.now_ms().saturating_sub(lease.began_ms);
        let fill = Fill {
            expected: lease.expected,
            answer,
            codec,
            lifetime,
            load_cost_ms: cost.try_into().unwrap_or(u32::MAX),
            stamps: None,
            local: self.ask.policy.is_in_process(),
        };
        self.engine.store.fill(self.key().as_str(), fill).await
    }

    fn after_fill(
        &mut self,
        role: Role,
        answer: &Answer,
        filled: Result<bool, StoreError>,
    ) -> Option<Verdict> {
        let settled = match filled {
            Ok(true) => {
                return own_if_deposed(role.accepted(answer, Status::Loaded), Status::Loaded);
            }
            Ok(false) => {
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
