//! Copies in this process of what the shared tier has: who may make one, and until when it holds.

use super::{Ask, Policy};
use crate::{
    engine::Engine,
    key::{Key, KeyRef, StoredKey},
    slot::Ticket,
    store::{Found, StoreError},
    tier::{Bound, Entry, Extra},
};
#[cfg(any(feature = "redis", shuttle))]
use crate::{entry::Id, store::Probe};

/// What bounds the copies of what the shared tier has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copies {
    /// No copy lives longer.
    pub(crate) max_ttl_ms: u64,
    /// Whether an entry weighs what it is long, where its policy has no weigher.
    by_length: bool,
}

impl Copies {
    #[cfg_attr(not(any(feature = "redis", shuttle)), allow(dead_code))]
    pub(crate) fn new(max_ttl_ms: u64, bound: Bound) -> Self {
        Self { max_ttl_ms, by_length: matches!(bound, Bound::Weight { .. }) }
    }
}

/// The right to keep a copy of what is asked for after it was given: lost to any invalidation, to the loss of the
/// link that tells of them, and to a flush.
#[derive(Debug)]
pub(crate) struct Admission {
    ticket: Ticket,
    pub(super) generation: u32,
    /// What the shared tier says of an entry's remaining time holds from here on at the latest.
    pub(super) asked_ms: u64,
}

impl Engine {
    /// The right to keep a copy; none for a template, or at a time, that has no copies.
    pub(crate) fn admit(&self, key: &Key, policy: &Policy) -> Option<Admission> {
        let _copies = self.copies.as_ref().filter(|_| policy.is_in_process())?;
        let generation = match &self.coherence {
            Some(coherence) => coherence.ticket()?,
            None => 0,
        };
        let ticket = Ticket::take(&self.registry, key)?;
        // Looked at after the ticket was taken: whoever bars all keys voids the tickets of before.
        if self.all_barred().is_some() {
            return None;
        }
        Some(Admission { ticket, generation, asked_ms: self.clock.now_ms() })
    }

    /// Reads the key in the shared tier, and keeps a copy of what is there.
    pub(crate) async fn fetch(&self, key: &Key, ask: &Ask) -> Result<Option<Found>, StoreError> {
        let Some(admission) = self.admit(key, &ask.policy) else {
            return self.store.read(key.as_str(), ask).await;
        };
        let found = self.store.read_with_left(key.as_str(), ask).await?;
        if let Some(found) = &found {
            self.keep(&admission, key, found, &ask.policy);
        }
        Ok(found)
    }

    /// [`fetch`](Self::fetch), leaving a lease where nothing is.
    #[cfg(any(feature = "redis", shuttle))]
    pub(crate) async fn probe(&self, key: &Key, id: Id, ask: &Ask) -> Result<Probe, StoreError> {
        let Some(admission) = self.admit(key, &ask.policy) else {
            return self.store.probe(key.as_str(), id, ask).await;
        };
        let probe = self.store.probe_with_left(key.as_str(), id, ask).await?;
        if let Probe::Hit(found) = &probe {
            self.keep(&admission, key, found, &ask.policy);
        }
        Ok(probe)
    }

    /// [`fetch`](Self::fetch) of many keys in one write.
    pub(crate) async fn fetch_many(
        &self,
        keys: &[&Key],
        ask: &Ask,
    ) -> Vec<Result<Option<Found>, StoreError>> {
        let admissions: Vec<_> = keys.iter().map(|key| self.admit(key, &ask.policy)).collect();
        let left = admissions.iter().any(Option::is_some);
        let texts: Vec<_> = keys.iter().map(|key| key.as_str()).collect();
        let read = self.store.read_many(&texts, left, ask).await;
        for ((key, admission), found) in keys.iter().zip(&admissions).zip(&read) {
            if let (Some(admission), Ok(Some(found))) = (admission, found) {
                self.keep(admission, key, found, &ask.policy);
            }
        }
        read
    }

    /// [`probe`](Self::probe) of many keys in one write.
    #[cfg(any(feature = "redis", shuttle))]
    pub(crate) async fn probe_many(
        &self,
        probes: &[(&Key, Id)],
        ask: &Ask,
    ) -> Vec<Result<Probe, StoreError>> {
        let admissions: Vec<_> =
            probes.iter().map(|(key, _)| self.admit(key, &ask.policy)).collect();
        let left = admissions.iter().any(Option::is_some);
        let texts: Vec<_> = probes.iter().map(|(key, id)| (key.as_str(), *id)).collect();
        let probed = self.store.probe_many(&texts, left, ask).await;
        for (((key, _), admission), probe) in probes.iter().zip(&admissions).zip(&probed) {
            if let (Some(admission), Ok(Probe::Hit(found))) = (admission, probe) {
                self.keep(admission, key, found, &ask.policy);
            }
        }
        probed
    }

    /// Keeps a copy of what was found, unless the right to do so was lost meanwhile.
    pub(crate) fn keep(&self, admission: &Admission, key: &Key, found: &Found, policy: &Policy) {
        let (Some(tier), Some(copies)) = (&self.tier, &self.copies) else { return };
        let Some(left_ms) = found.left_ms.filter(|_| found.local && !found.is_stale()) else {
            return;
        };
        let weight = match policy.is_weighed() {
            false if copies.by_length => found.size,
            _ => policy.weight_of(&found.answer),
        };
        if u64::from(weight) > tier.heaviest() {
            return;
        }
        let Admission { ticket, generation, asked_ms } = admission;
        let expires_ms = asked_ms.saturating_add(left_ms.min(copies.max_ttl_ms));
        let mut entry = Entry::new(found.answer.clone(), expires_ms, weight, *generation);
        if let Some(extra) = extra(found, *asked_ms) {
            entry = entry.with_extra(extra);
        }
        let stored = StoredKey::from(key.as_ref());
        let current = || self.is_generation(*generation);
        drop(ticket.redeem(|| current().then(|| tier.insert(stored, entry))));
    }

    /// Whether copies of that generation may still be made.
    pub(super) fn is_generation(&self, generation: u32) -> bool {
        self.coherence.as_ref().is_none_or(|coherence| coherence.generation() == generation)
    }

    /// The entry of this key in the shared tier was changed: what was read of it before is no copy any more.
    #[cfg_attr(not(any(feature = "redis", shuttle)), allow(dead_code))]
    pub(crate) fn changed(&self, key: &KeyRef<'_>) {
        let Some(tier) = &self.tier else { return };
        drop(self.registry.changed(key, || tier.remove(key)));
    }
}

/// What a copy needs besides its answer. Most need nothing: it would cost each hit a second count of references.
fn extra(found: &Found, asked_ms: u64) -> Option<Extra> {
    let fresh_for_ms = found.fresh_for_ms.map(|left| u64::try_from(left).unwrap_or(0));
    let stale_ms = fresh_for_ms.map(|left| asked_ms.saturating_add(left));
    let plain = stale_ms.is_none() && found.stamps.is_none();
    (!plain).then(|| Extra {
        id: Some(found.id),
        stale_ms,
        soft_ttl_ms: found.soft_ttl_ms,
        load_cost_ms: found.load_cost_ms,
        stamps: found.stamps.clone(),
    })
}
