//! Which responses nobody waits for, since each is for one reader.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cachekit_core::{Cache, Fence};
use tokio::time::Instant;

use super::gates::Digest;

/// So many are remembered; of more the oldest are forgotten.
const MOST: usize = 4096;

/// The identities whose last response was for one reader, for a while.
#[derive(Debug)]
pub(crate) struct Markers {
    held: Mutex<Held>,
    /// So that nobody takes the lock while there are none.
    len: AtomicUsize,
    lasting: Duration,
}

#[derive(Debug, Default)]
struct Held {
    markers: HashMap<Digest, Marker>,
    /// When those are looked for that are over. None while there is none at all.
    swept_at: Option<Instant>,
}

#[derive(Debug)]
struct Marker {
    until: Instant,
    /// Around its groups, of which an invalidation may make it another response. None while nobody can tell.
    fence: Option<Arc<Fence>>,
}

impl Markers {
    pub(crate) fn new(lasting: Duration) -> Self {
        Self { held: Mutex::default(), len: AtomicUsize::new(0), lasting }
    }

    /// Whether [`is_marked`](Self::is_marked) may say so.
    pub(crate) fn may_mark(&self, digest: &Digest) -> bool {
        self.fence_of(digest).is_some()
    }

    /// Whether the response is known to be for one reader each, and no group of it was invalidated since.
    pub(crate) async fn is_marked(&self, digest: &Digest, cache: &Cache) -> bool {
        let fence = match self.fence_of(digest) {
            None => return false,
            Some(None) => return true,
            Some(Some(fence)) => fence,
        };
        let holds = cache.verify(&fence).await;
        if !holds {
            // Another run may have marked it anew.
            let is_same =
                |marker: &Marker| marker.fence.as_ref().is_some_and(|own| Arc::ptr_eq(own, &fence));
            self.with(|markers, _| {
                if markers.get(digest).is_some_and(is_same) {
                    markers.remove(digest);
                }
            });
        }
        holds
    }

    /// The fence of a marker whose time has not come.
    fn fence_of(&self, digest: &Digest) -> Option<Option<Arc<Fence>>> {
        if self.len.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.with(|markers, now| {
            let marker = markers.get(digest).filter(|marker| now < marker.until)?;
            Some(marker.fence.clone())
        })
    }

    pub(crate) fn mark(&self, digest: Digest) {
        self.with(|markers, now| {
            let until = now + self.lasting;
            if let Some(marker) = markers.get_mut(&digest) {
                marker.until = until;
                return;
            }
            let ends = markers.iter().map(|(digest, marker)| (marker.until, *digest));
            if markers.len() >= MOST
                && let Some((_, oldest)) = ends.min()
            {
                markers.remove(&oldest);
            }
            markers.insert(digest, Marker { until, fence: None });
        });
    }

    /// Whether there is a marker that no invalidation would remove.
    pub(crate) fn lacks_fence(&self, digest: &Digest) -> bool {
        matches!(self.fence_of(digest), Some(None))
    }

    /// Ties a marker to its groups.
    pub(crate) fn fence(&self, digest: &Digest, fence: Fence) {
        let fence = fence.is_known().then(|| Arc::new(fence));
        self.with(|markers, _| {
            if let Some(marker) = markers.get_mut(digest) {
                marker.fence = fence;
            }
        });
    }

    /// It is shared after all.
    pub(crate) fn unmark(&self, digest: &Digest) {
        if self.len.load(Ordering::Acquire) > 0 {
            self.with(|markers, _| drop(markers.remove(digest)));
        }
    }

    /// Sweeps now and then, so that hits find none soon after the last one's time.
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Digest, Marker>, Instant) -> T) -> T {
        let now = Instant::now();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.swept_at.is_some_and(|at| at <= now) {
            held.markers.retain(|_, marker| now < marker.until);
            held.swept_at = None;
        }
        let out = work(&mut held.markers, now);
        let next = (!held.markers.is_empty()).then_some(now + self.lasting);
        held.swept_at = held.swept_at.or(next);
        self.len.store(held.markers.len(), Ordering::Release);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn len(markers: &Markers) -> usize {
        let held = markers.held.lock().unwrap().markers.len();
        assert_eq!(held, markers.len.load(Ordering::Acquire));
        held
    }

    #[tokio::test(start_paused = true)]
    async fn markers_are_bounded_and_the_oldest_goes() {
        let markers = Markers::new(Duration::from_secs(10));
        for number in 0..MOST + 10 {
            tokio::time::advance(Duration::from_nanos(1_000)).await;
            markers.mark((number as u128).to_be_bytes());
        }
        assert_eq!(len(&markers), MOST);
        assert!(!markers.may_mark(&0_u128.to_be_bytes()));
        assert!(markers.may_mark(&(MOST as u128).to_be_bytes()));
    }

    /// Whoever looks for another one sweeps.
    #[tokio::test(start_paused = true)]
    async fn none_is_left_once_their_time_is_over() {
        let markers = Markers::new(Duration::from_secs(10));
        markers.mark([1; 16]);
        tokio::time::advance(Duration::from_secs(6)).await;
        markers.mark([2; 16]);
        assert_eq!(len(&markers), 2);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(!markers.may_mark(&[1; 16]) && markers.may_mark(&[2; 16]));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!markers.may_mark(&[3; 16]));
        assert_eq!(len(&markers), 0);
        markers.mark([2; 16]);
        markers.unmark(&[2; 16]);
        assert_eq!(len(&markers), 0);
    }
}
