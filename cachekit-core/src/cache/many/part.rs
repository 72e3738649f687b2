//! One key of a batch, on its way to an answer.

use std::{sync::Arc, time::Duration};

use crate::{
    __private::Split,
    cache::{
        Answer, Ask, Attempt, Status,
        attempt::{Lead, Load},
    },
    engine::Engine,
    flight::{Turn, Verdict},
    key::Key,
    store::Store,
};

/// One key's attempt, and how it stands.
#[derive(Debug)]
pub(super) struct Part {
    // Dropped before the attempt: it holds the role.
    #[cfg(any(feature = "redis", shuttle))]
    pub(super) filling: Option<crate::cache::load::Filling>,
    /// Its place among the keys that were asked for.
    pub(super) place: usize,
    pub(super) attempt: Attempt,
    pub(super) verdict: Option<Verdict>,
    /// What this caller's load brought.
    own: Option<Answer>,
    /// How long it has waited for others in this process.
    pub(super) waited: Duration,
    /// Whether it leads, and another process holds the lease.
    pub(super) foreign: bool,
    /// How long it has waited for leases of other processes.
    pub(super) waited_for_leases: Duration,
    /// How often the key has changed under its hands.
    pub(super) retries: u32,
}

impl Part {
    /// Joins the key's flight. The batch takes permits, for all of its keys one: its parts take none.
    pub(super) fn join(engine: &Arc<Engine>, place: usize, key: Key, ask: Ask) -> Self {
        let attempt = Attempt::new(engine, key, Ask { nested: true, ..ask }, None);
        Self {
            #[cfg(any(feature = "redis", shuttle))]
            filling: None,
            place,
            attempt,
            verdict: None,
            own: None,
            waited: Duration::ZERO,
            foreign: false,
            waited_for_leases: Duration::ZERO,
            retries: 0,
        }
    }

    /// [`join`](Self::join) for a key for which the store was waited for in vain.
    pub(super) fn past(mut self, reason: &'static str) -> Self {
        self.attempt = self.attempt.past(reason);
        self
    }

    /// Whether all it can do is wait for its flight's leader.
    pub(super) fn follows(&self) -> bool {
        self.verdict.is_none() && self.attempt.role.is_none() && self.attempt.load.is_none()
    }

    /// Whether it leads and can go on.
    pub(super) fn leads(&self) -> bool {
        self.attempt.role.is_some() && !self.foreign
    }

    pub(super) fn is_loading(&self) -> bool {
        self.attempt.load.is_some()
    }

    /// Whether its load is bounded by nothing but the limit of all loads.
    pub(super) fn needs_permit(&self) -> bool {
        matches!(self.attempt.load, Some(Load::Direct { .. } | Load::Alone { .. }))
    }

    pub(super) fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Lead(role) => self.attempt.role = Some(role),
            Turn::Given(Verdict::Alone) => {
                self.attempt.load = Some(Load::Alone { _permit: None });
            }
            Turn::Given(verdict) => self.verdict = Some(verdict),
        }
    }

    /// Goes as far as this process goes alone; what the store has to say to is left for later.
    pub(super) async fn lead_here(&mut self) {
        let Some(role) = self.attempt.role.take() else { return };
        let remote = !matches!(self.attempt.engine.store, Store::Embedded);
        let lead = match self.attempt.past_because() {
            Some(reason) => self.attempt.go_direct(role, reason).await,
            None if remote && self.attempt.ask.codec.is_some() => {
                self.attempt.role = Some(role);
                return;
            }
            None => self.attempt.lead(role).await,
        };
        self.led(lead);
    }

    pub(super) fn led(&mut self, lead: Lead) {
        match lead {
            Lead::Load(load) => self.attempt.load = Some(load),
            Lead::Given(Verdict::Refused) => {
                self.attempt.load = Some(Load::Alone { _permit: None });
            }
            Lead::Given(verdict) => self.verdict = Some(verdict),
            Lead::Over => {}
        }
    }

    /// Lets others lead, and be woken, while this caller is busy with its load.
    pub(super) fn look_away(&mut self) {
        if !self.is_loading() {
            self.attempt.role = None;
            self.foreign = false;
            self.attempt.member.look_away();
        }
    }

    /// Keeps what was loaded for this caller.
    pub(super) fn keep(&mut self, split: &Split) {
        self.own = split.answer();
    }

    /// The answer, if its verdict is one.
    pub(super) fn answer(&mut self, verdict: Verdict) -> Option<(Answer, Status)> {
        match verdict {
            Verdict::Own(status) => self.own.take().map(|answer| (answer, status)),
            Verdict::Answer(answer, status) => Some((answer, status)),
            Verdict::Error(_) | Verdict::Alone | Verdict::Refused => None,
        }
    }
}
