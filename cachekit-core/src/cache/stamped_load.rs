//! What is different on the way of a read that names tags, over a shared tier.

use super::{attempt::Attempt, load::Filling};
use crate::{
    entry::{Id, Stamps},
    flight::Role,
    key::Tag,
    mutant::{self, Mutant},
    store::{Fill, Filled, Found, Probe, StoreError},
};

impl Attempt {
    /// Sends a probe, the flight being closed for it, and notes the generations that came with it. `Err`: why the tags
    /// forbid it.
    pub(super) async fn probe_under(
        &self,
        role: &Role,
        id: Id,
        tags: &[Tag],
    ) -> Result<Result<Probe, StoreError>, &'static str> {
        // Once more: whoever joined since the leader looked may have come after an invalidation that is pending, and no
        // tag detaches a flight.
        if let Some(reason) = self.engine.barred_tags(tags) {
            role.forget(id);
            return Err(reason);
        }
        let probed = self.engine.probe_under(self.key(), id, &self.ask, tags).await;
        Ok(probed.map(|(probe, stamps)| {
            role.stamped(stamps);
            probe
        }))
    }

    /// The generations before a load: those that came with the probe, also if it was another leader's. Else that one
    /// had other tags, and they are read now.
    pub(super) async fn stamps_of_load(
        &self,
        role: &Role,
        tags: &[Tag],
    ) -> Result<Stamps, StoreError> {
        let of_tags = |stamps: &Stamps| {
            let names = tags.iter().map(Tag::name);
            stamps.iter().map(|stamp| stamp.tag).eq(names)
        };
        match role.stamps().filter(of_tags) {
            Some(stamps) => Ok(stamps),
            None => self.engine.store.stamps(&self.ask, tags).await,
        }
    }

    /// Fills, the flight being closed for it, and looks whether the tags are still what they were.
    pub(super) async fn fill_under(
        &self,
        filling: &Filling,
        tags: &[Tag],
    ) -> Result<Filled, StoreError> {
        // An invalidation that is pending has changed no generation yet, and somebody who joined during the load may
        // have come after it.
        let barred = self.engine.barred_tags(tags).is_some();
        let mut fill = self.fill_of(filling)?;
        if mutant::on(Mutant::StampAfterLoad) {
            fill = Fill { stamps: Some(self.engine.store.stamps(&self.ask, tags).await?), ..fill };
        }
        let filled = self.engine.store.fill_under(self.key().as_str(), fill, tags).await?;
        Ok(match filled {
            Filled::Accepted if barred => Filled::Outdated,
            filled => filled,
        })
    }

    /// What is there, read as by a caller of its own.
    pub(super) async fn read_again(&self) -> Result<Option<Found>, StoreError> {
        self.engine.store.read_by(self.key().as_str(), &self.ask, self.tags()).await
    }

    /// What is there, without a lease.
    pub(super) async fn look_only(&self) -> Result<Option<Found>, StoreError> {
        let (store, key) = (&self.engine.store, self.key().as_str());
        match &self.tags {
            None => store.look(key, &self.ask).await,
            Some(tags) => store.look_under(key, &self.ask, tags).await,
        }
    }
}
