//! Leading many flights over a store that processes share: one write for all probes.

use super::{batch::Batch, part::Part, together::together};
use crate::{
    cache::probe::{Next, RETRIES},
    entry::Id,
    store::{MOST_KEYS, Probe, StoreError},
};

impl Batch {
    /// Finds out what to do about every key that this caller leads.
    pub(super) async fn lead_remote(&mut self) {
        loop {
            let leads = self.parts.iter_mut().filter(|part| part.leads());
            let mut leads: Vec<_> = leads.collect();
            if leads.is_empty() {
                return;
            }
            for chunk in leads.chunks_mut(MOST_KEYS) {
                probe(chunk).await;
            }
        }
    }
}

async fn probe(parts: &mut [&mut Part]) {
    let mut sent = Vec::with_capacity(parts.len());
    for part in parts.iter_mut() {
        if let Some(id) = Box::pin(part.begin_probe()).await {
            sent.push((&mut **part, id));
        }
    }
    let Some((first, _)) = sent.first() else { return };
    let (engine, ask) = (first.attempt.engine.clone(), first.attempt.ask);
    let probes: Vec<_> = sent.iter().map(|(part, id)| (part.attempt.key(), *id)).collect();
    let found = engine.probe_many(&probes, &ask).await;
    let probed = sent.into_iter().zip(found);
    together(probed.map(|((part, id), found)| part.probed(id, found))).await;
}

impl Part {
    /// Closes the flight for a probe that is about to be sent, unless it needs none.
    async fn begin_probe(&mut self) -> Option<Id> {
        let role = self.attempt.role.take()?;
        if let Some(lease) = role.lease() {
            let lead = self.attempt.begin_load(role, lease).await;
            self.led(lead);
            return None;
        }
        let Some(id) = self.attempt.probe_id(&role) else {
            let lead = self.attempt.go_direct(role, StoreError::Down.reason()).await;
            self.led(lead);
            return None;
        };
        role.probe_sent(id)?;
        self.attempt.role = Some(role);
        Some(id)
    }

    async fn probed(&mut self, id: Id, found: Result<Probe, StoreError>) {
        let Some(role) = self.attempt.role.take() else { return };
        let patient = self.waited_for_leases < self.attempt.engine.limits.lease_wait;
        let lead = match self.attempt.probed(&role, id, found, patient).await {
            Next::Hit(id, answer, status) => role.hit_by(id, answer, status).into(),
            Next::Renew(lease) => self.attempt.begin(role, *lease).await,
            Next::Granted(lease) => match role.granted(lease) {
                Some(true) => self.attempt.begin_load(role, lease).await,
                _ => return,
            },
            Next::Over => return,
            Next::Again if self.retries < RETRIES => {
                self.retries += 1;
                self.attempt.role = Some(role);
                return;
            }
            Next::Wait if patient => {
                self.foreign = true;
                self.attempt.role = Some(role);
                return;
            }
            Next::Direct(reason) => self.attempt.go_direct(role, reason).await,
            Next::Again => self.attempt.go_direct(role, "contended").await,
            Next::Wait => self.attempt.go_direct(role, "lease_wait").await,
        };
        self.led(lead);
    }
}
