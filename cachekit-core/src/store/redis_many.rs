//! Reading, leasing and filling many keys at once: each is opened, refused and counted by itself.

use super::redis::{Redis, untagged};
use crate::{
    cache::Ask,
    entry::Id,
    redis::CasFill,
    store::{Fill, Found, Probe, StoreError, kept::with_left},
};

impl Redis {
    pub(crate) async fn read_many(
        &self,
        keys: &[&str],
        left: bool,
        ask: &Ask,
    ) -> Vec<Result<Option<Found>, StoreError>> {
        let read = self.store.read_many(keys, left).await;
        let found = read.into_iter().map(|read| {
            let found = read.map(|(bytes, left_ms)| {
                let bytes = bytes?;
                Some(with_left(self.usable(&bytes, ask)?, left_ms, bytes.len()))
            });
            self.trend.note(matches!(found, Ok(Some(_))));
            Ok(found?)
        });
        found.collect()
    }

    pub(crate) async fn probe_many(
        &self,
        probes: &[(&str, Id)],
        left: bool,
        ask: &Ask,
    ) -> Vec<Result<Probe, StoreError>> {
        let found = self.store.probe_many(probes, left).await.into_iter().map(|found| {
            let (found, left_ms) = found?;
            let found = untagged(self.understand_with_left(found, left_ms, ask));
            self.trend.note(matches!(found, Probe::Hit(_)));
            Ok(found)
        });
        found.collect()
    }

    /// What cannot be encoded is not sent, and harms no other.
    pub(crate) async fn fill_many(
        &self,
        fills: &[(&str, Fill<'_>)],
    ) -> Vec<Result<bool, StoreError>> {
        let (mut results, mut sent) = (Vec::with_capacity(fills.len()), Vec::new());
        for (place, (key, fill)) in fills.iter().enumerate() {
            match self.to_cas_fill(key, fill) {
                Ok(cas_fill) => {
                    sent.push((place, cas_fill));
                    results.push(Err(StoreError::Unknown));
                }
                Err(error) => results.push(Err(error)),
            }
        }
        let (places, sent): (Vec<_>, Vec<_>) = sent.into_iter().unzip();
        let replies = self.store.cas_fill_many(&sent).await;
        for (place, reply) in places.into_iter().zip(replies) {
            results[place] = reply.map_err(StoreError::from);
        }
        results
    }

    fn to_cas_fill<'a>(&self, key: &'a str, fill: &Fill<'_>) -> Result<CasFill<'a>, StoreError> {
        let (entry, expected, lease) = self.to_write(fill)?;
        Ok(CasFill { key, expected, lease, entry, px: fill.lifetime.kept_ms })
    }
}
