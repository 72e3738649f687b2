//! Reads of what this process keeps a copy of: with the time that the entry has left.

use super::{Found, Probe, Redis, StoreError, redis::untagged};
use crate::{cache::Ask, entry::Id, redis};

impl Redis {
    pub(crate) async fn read_with_left(
        &self,
        key: &str,
        ask: &Ask,
    ) -> Result<Option<Found>, StoreError> {
        let found = self.store.read_with_left(key).await.map(|(found, left_ms)| {
            let bytes = found?;
            let found = self.usable(&bytes, ask)?;
            Some(with_left(found, left_ms, bytes.len()))
        });
        self.trend.note(matches!(found, Ok(Some(_))));
        Ok(found?)
    }

    pub(crate) async fn probe_with_left(
        &self,
        key: &str,
        id: Id,
        ask: &Ask,
    ) -> Result<Probe, StoreError> {
        let (found, left_ms) = self.store.probe_with_left(key, id).await?;
        let probe = untagged(self.understand_with_left(found, left_ms, ask));
        self.trend.note(matches!(probe, Probe::Hit(_)));
        Ok(probe)
    }

    /// What the reader takes the bytes for, whatever they are stamped with.
    pub(super) fn understand_with_left(
        &self,
        found: redis::Probe,
        left_ms: Option<u64>,
        ask: &Ask,
    ) -> Probe {
        let size = match &found {
            redis::Probe::Entry(bytes) => bytes.len(),
            _ => 0,
        };
        match self.understand(found, ask) {
            Probe::Hit(found) => Probe::Hit(with_left(found, left_ms, size)),
            probe => probe,
        }
    }
}

pub(super) fn with_left(found: Found, left_ms: Option<u64>, size: usize) -> Found {
    Found { left_ms, size: size.try_into().unwrap_or(u32::MAX), ..found }
}
