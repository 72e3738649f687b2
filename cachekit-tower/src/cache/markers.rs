//! Which responses nobody waits for, since each is for one reader.

use std::{sync::Arc, time::Duration};

use cachekit_core::{Cache, Fence};

use super::gates::Digest;
use crate::fading::Fading;

/// So many are remembered; of more the oldest are forgotten.
const MOST: usize = 4096;

/// Around the groups of a marked response, of which an invalidation may make it another one. None while nobody can tell.
type Around = Option<Arc<Fence>>;

/// The identities whose last response was for one reader, for a while.
#[derive(Debug)]
pub(crate) struct Markers(Fading<Digest, Around>);

impl Markers {
    pub(crate) fn new(lasting: Duration) -> Self {
        Self(Fading::new(lasting))
    }

    /// Whether [`is_marked`](Self::is_marked) may say so.
    pub(crate) fn may_mark(&self, digest: &Digest) -> bool {
        self.0.get(digest).is_some()
    }

    /// Whether the response is known to be for one reader each, and no group of it was invalidated since.
    pub(crate) async fn is_marked(&self, digest: &Digest, cache: &Cache) -> bool {
        let fence = match self.0.get(digest) {
            None => return false,
            Some(None) => return true,
            Some(Some(fence)) => fence,
        };
        let holds = cache.verify(&fence).await;
        if !holds {
            // Another run may have marked it anew.
            let is_same = |own: &Around| own.as_ref().is_some_and(|own| Arc::ptr_eq(own, &fence));
            self.0.with(|markers, _| {
                if markers.get(digest).is_some_and(|(_, own)| is_same(own)) {
                    markers.remove(digest);
                }
            });
        }
        holds
    }

    pub(crate) fn mark(&self, digest: Digest) {
        self.0.with(|markers, now| {
            let until = now + self.0.lasting;
            if let Some((end, _)) = markers.get_mut(&digest) {
                *end = until;
                return;
            }
            let ends = markers.iter().map(|(digest, (until, _))| (*until, *digest));
            if markers.len() >= MOST
                && let Some((_, oldest)) = ends.min()
            {
                markers.remove(&oldest);
            }
            markers.insert(digest, (until, None));
        });
    }

    /// Whether there is a marker that no invalidation would remove.
    pub(crate) fn lacks_fence(&self, digest: &Digest) -> bool {
        matches!(self.0.get(digest), Some(None))
    }

    /// Ties a marker to its groups.
    pub(crate) fn fence(&self, digest: &Digest, fence: Fence) {
        let fence = fence.is_known().then(|| Arc::new(fence));
        self.0.with(|markers, _| {
            if let Some((_, own)) = markers.get_mut(digest) {
                *own = fence;
            }
        });
    }

    /// It is shared after all.
    pub(crate) fn unmark(&self, digest: &Digest) {
        if !self.0.is_empty() {
            self.0.with(|markers, _| drop(markers.remove(digest)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn markers_are_bounded_and_the_oldest_goes() {
        let markers = Markers::new(Duration::from_secs(10));
        for number in 0..MOST + 10 {
            tokio::time::advance(Duration::from_nanos(1_000)).await;
            markers.mark((number as u128).to_be_bytes());
        }
        assert_eq!(markers.0.len(), MOST);
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
        assert_eq!(markers.0.len(), 2);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(!markers.may_mark(&[1; 16]) && markers.may_mark(&[2; 16]));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!markers.may_mark(&[3; 16]));
        assert_eq!(markers.0.len(), 0);
        markers.mark([2; 16]);
        markers.unmark(&[2; 16]);
        assert_eq!(markers.0.len(), 0);
    }
}
