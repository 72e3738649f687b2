//! A leader that finds an entry which is out of date: it loads with the old answer at hand.

use super::{
    Age, Answer, Mark, Old, Renewal, Status, Use,
    attempt::{Attempt, Load},
};
#[cfg(any(feature = "redis", shuttle))]
use super::{load::Leased, probe::Next};
use crate::flight::Role;
#[cfg(any(feature = "redis", shuttle))]
use crate::{
    entry::Id,
    store::{Expected, Found},
};

impl Attempt {
    /// What to do with an entry that the leader found.
    pub(super) fn use_of(&self, age: &Age, answer: &Answer) -> Use {
        Use::of(&self.engine, &self.key().as_ref(), &self.ask.policy.of(answer), age)
    }

    /// A load in the background for an entry that the leader found.
    pub(super) fn renewal(&self, age: Age, answer: &Answer) -> Option<Box<Renewal>> {
        Renewal::begin(&self.engine, self.key(), (&self.ask, &self.tags), age, answer)
    }

    /// What is there while the caller loads.
    pub(super) fn old(&self) -> Option<&Answer> {
        let old = match self.load.as_ref()? {
            Load::Embedded { lease, .. } => lease.old.as_ref(),
            #[cfg(any(feature = "redis", shuttle))]
            Load::Leased { lease, .. } => lease.old.as_ref(),
            Load::Direct { .. } | Load::Alone { .. } => None,
        };
        old.map(|old| &old.answer)
    }

    /// A load that replaces what is there begins, in this process and in the sight of its others.
    pub(super) fn begin_anew(&self, role: &Role, old: Option<&mut Old>, others_wait: bool) {
        let Some(old) = old else { return };
        old.mark = Mark::take(&self.engine, self.key(), true);
        if !others_wait {
            role.serve_others(&old.answer, Status::Stale);
        }
    }
}

#[cfg(any(feature = "redis", shuttle))]
impl Attempt {
    /// What to do with an entry that says how old it is.
    pub(super) async fn aged(
        &mut self,
        role: &Role,
        sent: Id,
        found: Found,
        patient: bool,
    ) -> Next {
        let age = Age::of(&found);
        match self.use_of(&age, &found.answer) {
            Use::Answer(status) => Next::Hit(sent, found.answer, status),
            Use::Renew(status) => {
                self.renewal = self.renewal(age, &found.answer);
                Next::Hit(sent, found.answer, status)
            }
            // What was refused is older than what is there.
            Use::Load { .. } if role.has_kept() != Some(false) => {
                Next::Hit(sent, found.answer, Status::Stale)
            }
            Use::Load { others_wait } => {
                let old = Old { answer: found.answer, age, mark: None };
                self.renew(role, (sent, found.id), old, others_wait, patient).await
            }
        }
    }

    /// Loads anew unless another process does: then the callers are given the old answer, or wait.
    async fn renew(
        &self,
        role: &Role,
        (sent, seen): (Id, Id),
        mut old: Old,
        others_wait: bool,
        patient: bool,
    ) -> Next {
        if !self.mark(&mut old).await {
            if !others_wait {
                return Next::Hit(sent, old.answer, Status::Stale);
            }
            if patient {
                return role.waits_for_lease(sent).map_or(Next::Over, |()| Next::Wait);
            }
        }
        role.forget(sent);
        // Whoever had the mark before may have filled since the probe.
        match self.read_again().await {
            Ok(Some(found)) if found.id == seen => {}
            Ok(_) => return Next::Again,
            Err(error) => return Next::Direct(error.reason()),
        }
        if !others_wait {
            role.serve_others(&old.answer, Status::Stale);
        }
        let expected = Expected::Entry(seen);
        let (old, stamps) = (Some(Box::new(old)), role.stamps());
        Next::Renew(Box::new(Leased { expected, old, _hold: None, began_ms: 0, stamps }))
    }

    /// Whether nobody else is known to load. That nothing can be found out is no reason to wait.
    async fn mark(&self, old: &mut Old) -> bool {
        let Some(mut mark) = Mark::take(&self.engine, self.key(), true) else { return false };
        let alone = mark.spread(old.age.load_cost_ms).await.unwrap_or(true);
        if alone {
            old.mark = Some(mark);
        }
        alone
    }
}
