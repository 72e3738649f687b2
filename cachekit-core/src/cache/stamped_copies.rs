//! Copies of what was loaded under tags: with each goes, under a ticket of its own, a copy of the tag's generation.

use std::sync::Arc;

use super::{Answer, Ask, Policy, copies::Admission};
use crate::{
    engine::Engine,
    entry::{Id, Stamps},
    key::{Key, StoredKey, Tag},
    slot::Ticket,
    store::{Found, Probe, StoreError},
    tier::Entry,
};

/// The right to keep copies of an entry and of the generations that are read with it.
#[derive(Debug)]
struct Admissions {
    entry: Admission,
    tags: Vec<Ticket>,
}

impl Engine {
    fn admit_under(&self, key: &Key, policy: &Policy, tags: &[Tag]) -> Option<Admissions> {
        let entry = self.admit(key, policy)?;
        let ticket = |tag: &Tag| Ticket::take(&self.registry, &tag.to_key());
        let tickets = tags.iter().map(ticket).collect::<Option<_>>()?;
        // Looked at after the tickets were taken: who invalidates a key that is a tag marks it first.
        self.barred_tags(tags).is_none().then_some(Admissions { entry, tags: tickets })
    }

    /// [`fetch`](Self::fetch) by a reader that names tags.
    pub(crate) async fn fetch_under(
        &self,
        key: &Key,
        ask: &Ask,
        tags: &[Tag],
    ) -> Result<Option<Found>, StoreError> {
        let admitted = self.admit_under(key, &ask.policy, tags);
        let left = admitted.is_some();
        let (found, stamps) = self.store.read_under(key.as_str(), ask, tags, left).await?;
        if let Some(admissions) = &admitted {
            self.keep_stamped(admissions, (key, tags), found.as_ref(), &stamps, &ask.policy);
        }
        Ok(found)
    }

    /// [`fetch_under`](Self::fetch_under), leaving a lease where nothing is.
    pub(crate) async fn probe_under(
        &self,
        key: &Key,
        id: Id,
        ask: &Ask,
        tags: &[Tag],
    ) -> Result<(Probe, Stamps), StoreError> {
        let admitted = self.admit_under(key, &ask.policy, tags);
        let left = admitted.is_some();
        let (probe, stamps) = self.store.probe_under(key.as_str(), id, ask, tags, left).await?;
        if let (Some(admissions), Probe::Hit(found)) = (&admitted, &probe) {
            self.keep_stamped(admissions, (key, tags), Some(found), &stamps, &ask.policy);
        }
        Ok((probe, stamps))
    }

    fn keep_stamped(
        &self,
        Admissions { entry, tags: tickets }: &Admissions,
        (key, tags): (&Key, &[Tag]),
        found: Option<&Found>,
        stamps: &Stamps,
        policy: &Policy,
    ) {
        let Some(found) = found else { return };
        for ((tag, ticket), stamp) in tags.iter().zip(tickets).zip(stamps.iter()) {
            self.keep_generation(entry, tag, ticket, stamp.generation);
        }
        self.keep(entry, key, found, policy);
    }

    /// Until when it holds its loss tells; where nobody tells, it is as old as any copy.
    fn keep_generation(&self, admission: &Admission, tag: &Tag, ticket: &Ticket, generation: u64) {
        let (Some(tier), Some(copies)) = (&self.tier, &self.copies) else { return };
        let expires_ms = admission.asked_ms.saturating_add(copies.max_ttl_ms);
        let answer = Answer::Value(Arc::new(generation));
        let entry = Entry::new(answer, expires_ms, 1, admission.generation);
        let stored = StoredKey::from(tag.as_ref());
        let current = || self.is_generation(admission.generation);
        drop(ticket.redeem(|| current().then(|| tier.insert(stored, entry))));
    }
}
