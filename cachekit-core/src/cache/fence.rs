//! Fences: whether a key was invalidated while something ran that is no load of the cache's.

use std::{fmt, sync::Arc};

use super::Cache;
#[cfg(any(feature = "redis", shuttle))]
use super::{Ask, Policy};
use crate::{
    engine::Engine,
    key::{Key, Tag},
    store::Store,
};
#[cfg(any(feature = "redis", shuttle))]
use crate::{entry::Stamps, ttl::Ttl};

/// How some keys stood at a moment: see [`Cache::fence`].
///
/// While it lives, this process remembers its keys.
pub struct Fence {
    engine: Option<Arc<Engine>>,
    tags: Vec<Tag>,
    before: Before,
}

enum Before {
    /// It cannot be told what has happened since.
    Unknown,
    /// No one else can invalidate them: how often that had been done, to all of them together. Their slots are kept until
    /// the fence is dropped, so no key's count goes back, and the sum is the same only if each of them is.
    Here(u64),
    #[cfg(any(feature = "redis", shuttle))]
    Shared(Stamps),
}

impl Cache {
    /// Notes how these keys stand, before work that is to be shared with callers that come later.
    ///
    /// A result may be given to a caller that came after the work began if [`verify`](Self::verify), begun after that
    /// caller came, holds: then no invalidation of the keys, or of them as [tags](Self::invalidate_tag), has returned
    /// between the two. One that returned before the fence preceded the work, and one that returned before the caller
    /// came would be seen. Loads and fills of the keys break no fence.
    ///
    /// In this process it costs a look at each key's slot, over Redis one round trip. A fence around keys that are
    /// dirty, or while Redis cannot be reached, never holds, and neither does one around no keys, or of a
    /// [disabled](Self::disabled) cache, which is told of no invalidation.
    ///
    /// ```
    /// use cachekit::{Cache, key};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cachekit::Error> {
    /// let cache = Cache::builder().build()?;
    /// let user = 7;
    /// let fence = cache.fence(&[key!("user:<user>")]).await;
    /// // … the work …
    /// assert!(cache.verify(&fence).await);
    ///
    /// cache.invalidate(key!("user:<user>")).await;
    /// assert!(!cache.verify(&fence).await);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time without effect.
    pub async fn fence(&self, keys: &[Key]) -> Fence {
        let tags: Vec<_> = keys.iter().map(Tag::from).collect();
        let Some(engine) = self.engine().filter(|_| !tags.is_empty()) else {
            return Fence { engine: None, tags, before: Before::Unknown };
        };
        let before = engine.standing(&tags).await;
        Fence { engine: Some(engine.clone()), tags, before }
    }

    /// Whether none of the fence's keys was invalidated since. `false` if that cannot be told.
    ///
    /// In this process it costs a look at each key's slot, over Redis one round trip.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time without effect.
    pub async fn verify(&self, fence: &Fence) -> bool {
        let (Some(engine), Some(own)) = (self.engine(), &fence.engine) else { return false };
        Arc::ptr_eq(engine, own) && engine.holds(fence).await
    }

    /// Whether an invalidation of any of these keys, from this process, has not reached the store: nobody may be given
    /// what was read before.
    #[must_use]
    pub fn is_dirty<'k>(&self, keys: impl IntoIterator<Item = &'k Key>) -> bool {
        let Some(engine) = self.engine() else { return false };
        let dirty = |key| engine.barred_tags(&[Tag::from(key)]).is_some();
        engine.all_barred().is_some()
            || (engine.registry.has_dirty() && keys.into_iter().any(dirty))
    }
}

impl Fence {
    /// Whether it was known how its keys stood: a fence of which it was not never holds.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self.before, Before::Unknown)
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        if let (Some(engine), Before::Here(_)) = (&self.engine, &self.before) {
            self.tags.iter().for_each(|tag| engine.registry.unwatch(&tag.as_ref()));
        }
    }
}

impl Engine {
    async fn standing(&self, tags: &[Tag]) -> Before {
        self.are_named_as_tags();
        if self.all_barred().is_some() || self.barred_tags(tags).is_some() {
            return Before::Unknown;
        }
        match &self.store {
            Store::Embedded => {
                Before::Here(tags.iter().map(|tag| self.registry.watch(&tag.as_ref())).sum())
            }
            #[cfg(any(feature = "redis", shuttle))]
            store => {
                let stamps = Box::pin(store.stamps(&fencing(), tags)).await;
                stamps.map_or(Before::Unknown, Before::Shared)
            }
        }
    }

    async fn holds(&self, fence: &Fence) -> bool {
        // An invalidation that is pending has changed no generation yet.
        if self.all_barred().is_some() || self.barred_tags(&fence.tags).is_some() {
            return false;
        }
        match &fence.before {
            Before::Unknown => false,
            Before::Here(before) => {
                let count = |tag: &Tag| self.registry.invalidations(&tag.as_ref());
                fence.tags.iter().map(count).sum::<Option<u64>>() == Some(*before)
            }
            #[cfg(any(feature = "redis", shuttle))]
            Before::Shared(before) => {
                let now = Box::pin(self.store.stamps(&fencing(), &fence.tags)).await;
                now.is_ok_and(|now| now == *before)
            }
        }
    }
}

/// Generations that a fence draws last for ten minutes: the work is over long before. One that runs out breaks it.
#[cfg(any(feature = "redis", shuttle))]
fn fencing() -> Ask {
    let policy = Policy::from_parts(Ttl::from_millis(300_000, 0), None);
    Ask { policy, codec: None, optional: false, nested: false }
}

impl fmt::Debug for Fence {
    /// Shows the templates of its keys only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence").field("keys", &self.tags).field("known", &self.is_known()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyBuf;

    fn key(text: &str) -> Key {
        KeyBuf::new("k:<text>", |w| w.str(text)).into_key()
    }

    #[tokio::test]
    async fn a_fence_keeps_its_keys_slots_until_it_is_dropped() {
        let cache = Cache::builder().build().unwrap();
        let slots = || cache.engine().unwrap().registry.len();
        let [one, other] = [key("one"), key("other")];
        let first = cache.fence(&[one.clone(), one.clone()]).await;
        let second = cache.fence(&[one.clone(), other]).await;
        assert_eq!(slots(), 2);
        drop(first);
        assert!(slots() == 2 && cache.verify(&second).await);
        cache.invalidate(one).await;
        assert!(!cache.verify(&second).await);
        drop(second);
        assert_eq!(slots(), 0);
    }
}
