//! The generations of tags in this process, and which entries they leave good.
//!
//! Without Redis a generation is an entry of the in-process tier, under the key that is invalidated with the tag; so it
//! is bounded with the rest. Evicted, it is drawn anew, and what was stamped with it is loaded anew.

use std::sync::{Arc, atomic::Ordering};

use super::{Answer, Ask};
use crate::{
    engine::Engine,
    entry::{Stamp, Stamps},
    key::{Key, KeyRef, StoredKey, Tag},
    mutant::{self, Mutant},
    store::{Store, StoreError},
    tier::{Entry, View},
};

/// The tags that a read names, if it does.
pub(crate) type Tags = Option<Arc<[Tag]>>;

/// Owns the tags of a read that is no hit.
pub(super) fn own(engine: &Engine, tags: &[Tag]) -> Tags {
    if tags.is_empty() {
        return None;
    }
    engine.are_named_as_tags();
    Some(tags.into())
}

impl Engine {
    /// Somebody names keys as tags from now on. To be called before the first look at a generation: see
    /// `drop_generation`.
    pub(super) fn are_named_as_tags(&self) {
        // Most find it said: a line that is only read stays in every processor's cache.
        if !self.knows_tags.load(Ordering::Relaxed) {
            self.knows_tags.store(true, Ordering::Release);
        }
    }

    /// [`local`](Self::local) for a read that names tags: none of them was invalidated since the entry's load began.
    /// Generations are compared and no names: nobody else's is the same.
    pub(crate) fn local_under(&self, key: &KeyRef<'_>, tags: &[Tag]) -> Option<(Entry, u64)> {
        let view = self.view()?;
        let entry = self.living(view, key, self.in_tier(key)?)?;
        self.suits(view, &entry, tags).then_some((entry, view.now_ms))
    }

    /// Whether an entry was stamped with the generations of these tags, and is for nobody who does not name them.
    pub(super) fn suits(&self, view: View, entry: &Entry, tags: &[Tag]) -> bool {
        match entry.extra().and_then(|extra| extra.stamps.as_deref()) {
            None => tags.is_empty(),
            Some(_) if tags.is_empty() => false,
            Some(stamps) => self.are_current_at(view, stamps, tags),
        }
    }

    /// Whether these are the generations of the tags in this process.
    pub(crate) fn are_current(&self, stamps: &[Stamp], tags: &[Tag]) -> bool {
        self.view().is_some_and(|view| self.are_current_at(view, stamps, tags))
    }

    fn are_current_at(&self, view: View, stamps: &[Stamp], tags: &[Tag]) -> bool {
        let known = |tag: &Tag| {
            let generation = self.known_generation(view, tag);
            generation.is_some_and(|now| stamps.iter().any(|stamp| stamp.generation == now))
        };
        stamps.len() == tags.len() && tags.iter().all(known)
    }

    /// The generations of these tags, wherever they are kept; each has one from now on.
    #[cfg_attr(not(any(feature = "redis", shuttle)), allow(unused_variables, clippy::unused_async))]
    pub(crate) async fn stamps(&self, ask: &Ask, tags: &[Tag]) -> Result<Stamps, StoreError> {
        self.are_named_as_tags();
        match &self.store {
            Store::Embedded => Ok(self.local_stamps(tags)),
            #[cfg(any(feature = "redis", shuttle))]
            store => store.stamps(ask, tags).await,
        }
    }

    /// The generations of these tags in this process; each has one from now on.
    pub(crate) fn local_stamps(&self, tags: &[Tag]) -> Stamps {
        tags.iter()
            .map(|tag| Stamp { tag: tag.as_ref().hash, generation: self.local_generation(tag) })
            .collect()
    }

    fn local_generation(&self, tag: &Tag) -> u64 {
        let known = || self.known_generation(self.view()?, tag);
        if let Some(known) = known() {
            return known;
        }
        let fresh = fastrand::u64(1..);
        let stored = StoredKey::from(tag.as_ref());
        let entry = Entry::new(Answer::Value(Arc::new(fresh)), u64::MAX, 1, 0);
        // Two loads that draw one each would not believe one another.
        let draw = || match known() {
            Some(known) => (known, None),
            None => (fresh, self.tier.as_ref().map(|tier| tier.insert(stored, entry))),
        };
        let (generation, fallen) = self.registry.locked(&tag.as_ref(), draw);
        drop(fallen);
        generation
    }

    fn known_generation(&self, view: View, tag: &Tag) -> Option<u64> {
        match self.living(view, &tag.as_ref(), self.in_tier(&tag.as_ref())?)?.into_answer() {
            Answer::Value(generation) => generation.downcast_ref().copied(),
            Answer::Absent => None,
        }
    }

    /// Why reads under these tags may not use the cache now. A key that is used as a tag is one while it is dirty.
    pub(crate) fn barred_tags(&self, tags: &[Tag]) -> Option<&'static str> {
        let dirty = |key: &KeyRef<'_>| self.registry.is_dirty(key);
        let barred = tags.iter().any(|tag| dirty(&tag.as_ref()) || dirty(&tag.subject()));
        (barred && !mutant::on(Mutant::ReadDirtyTags)).then_some("dirty")
    }

    /// [`barred`](Self::barred) for a read that names tags.
    pub(super) fn barred_under(&self, key: &Key, tags: &[Tag]) -> Option<&'static str> {
        self.barred(key).or_else(|| self.barred_tags(tags))
    }

    /// What this process knows of the generation of `key`, were it a tag, is void. `key` was marked before, where it is
    /// to be: who misses the mark because it looked earlier had made itself known earlier still.
    pub(crate) fn drop_generation(&self, key: &KeyRef<'_>) {
        if !self.knows_tags.load(Ordering::Acquire) || mutant::on(Mutant::KeepOwnGeneration) {
            return;
        }
        let Some(tag) = Tag::of_key(key) else { return };
        let tag = tag.as_ref();
        let evict = || self.tier.as_ref().map(|tier| tier.remove(&tag));
        let (detached, fallen) = self.registry.invalidate(&tag, 0, evict);
        detached.wake();
        drop(fallen);
    }
}
