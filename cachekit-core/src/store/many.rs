//! Commands of many keys at once. Each key has its own answer; none waits for, or fails with, another.

use super::{Fill, Found, Probe, Store, StoreError};
use crate::{cache::Ask, entry::Id};

/// The most keys in one write.
pub(crate) const MOST_KEYS: usize = 512;

impl Store {
    /// [`read`](Self::read) of at most [`MOST_KEYS`] keys, and of how long each has `left` if that is asked for.
    pub(crate) async fn read_many(
        &self,
        keys: &[&str],
        left: bool,
        ask: &Ask,
    ) -> Vec<Result<Option<Found>, StoreError>> {
        debug_assert!(keys.len() <= MOST_KEYS);
        match self {
            Self::Embedded => {
                let _ = (left, ask);
                keys.iter().map(|_| Ok(None)).collect()
            }
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.read_many(keys, left, ask).await,
            #[cfg(shuttle)]
            Self::Double(store) => store.read_many(keys, ask).await,
        }
    }

    /// [`probe`](Self::probe) of at most [`MOST_KEYS`] keys, each for an id of its own, and of how long each has `left`.
    pub(crate) async fn probe_many(
        &self,
        probes: &[(&str, Id)],
        left: bool,
        ask: &Ask,
    ) -> Vec<Result<Probe, StoreError>> {
        debug_assert!(probes.len() <= MOST_KEYS);
        match self {
            Self::Embedded => {
                let _ = (left, ask);
                probes.iter().map(|_| Err(StoreError::Down)).collect()
            }
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.probe_many(probes, left, ask).await,
            #[cfg(shuttle)]
            Self::Double(store) => store.probe_many(probes, ask).await,
        }
    }

    /// [`fill`](Self::fill) of at most [`MOST_KEYS`] keys.
    pub(crate) async fn fill_many(
        &self,
        fills: &[(&str, Fill<'_>)],
    ) -> Vec<Result<bool, StoreError>> {
        debug_assert!(fills.len() <= MOST_KEYS);
        match self {
            Self::Embedded => fills.iter().map(|_| Err(StoreError::Down)).collect(),
            #[cfg(feature = "redis")]
            Self::Redis(store) => store.fill_many(fills).await,
            #[cfg(shuttle)]
            Self::Double(store) => store.fill_many(fills).await,
        }
    }
}
