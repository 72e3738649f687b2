//! A filter in this process alone: that of a cache without a store in common.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{bits::Bits, geometry::Geometry};

/// What is asked, and what will be.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) geometry: Geometry,
    regions: RwLock<Regions>,
}

#[derive(Debug, Default)]
struct Regions {
    live: Option<Region>,
    next: Option<Region>,
}

#[derive(Clone, Debug)]
struct Region {
    bits: Arc<Bits>,
    ids: Arc<std::sync::atomic::AtomicU64>,
}

/// A rebuild under way; dropping it ends it.
#[derive(Debug)]
pub(super) struct Rebuilding<'a> {
    local: &'a Local,
    next: Region,
}

impl Local {
    pub(super) fn new(geometry: Geometry) -> Local {
        Local { geometry, regions: RwLock::default() }
    }

    /// Whether the id may be there; `None` before the first rebuild is done.
    pub(super) fn has(&self, text: &str) -> Option<bool> {
        let positions = self.geometry.positions(text);
        self.read().live.as_ref().map(|live| live.bits.has(&positions))
    }

    /// Adds ids to what is asked and to what is being rebuilt.
    pub(super) fn add<'t>(&self, texts: impl Iterator<Item = &'t str>) {
        let positions: Vec<_> = texts.map(|text| self.geometry.positions(text)).collect();
        let regions = self.read();
        for region in [&regions.live, &regions.next].into_iter().flatten() {
            positions.iter().for_each(|positions| region.set(positions));
        }
    }

    /// How many ids were added to what is asked, if that can be asked.
    pub(super) fn ids(&self) -> Option<u64> {
        self.read().live.as_ref().map(Region::ids)
    }

    /// How many bits are set in what is asked, if that can be asked.
    pub(super) fn ones(&self) -> Option<u64> {
        let live = self.read().live.clone();
        live.map(|live| live.bits.ones())
    }

    /// Begins a rebuild, unless one is under way: from here on ids are added to both.
    pub(super) fn begin(&self) -> Option<Rebuilding<'_>> {
        let mut regions = self.write();
        if regions.next.is_some() {
            return None;
        }
        let next = Region { bits: Arc::new(Bits::new(self.geometry.bits)), ids: Arc::default() };
        regions.next = Some(next.clone());
        Some(Rebuilding { local: self, next })
    }

    fn read(&self) -> RwLockReadGuard<'_, Regions> {
        self.regions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Regions> {
        self.regions.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Region {
    fn set(&self, positions: &super::geometry::Positions) {
        if self.bits.set(positions) {
            self.ids.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn ids(&self) -> u64 {
        self.ids.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Rebuilding<'_> {
    /// Adds an id of the scan.
    pub(super) fn add(&self, text: &str) {
        self.next.set(&self.local.geometry.positions(text));
    }

    /// Puts it to use; how many ids it has.
    pub(super) fn finish(self) -> u64 {
        let old = self.local.write().live.replace(self.next.clone());
        drop(old);
        self.next.ids()
    }
}

impl Drop for Rebuilding<'_> {
    fn drop(&mut self) {
        let next = self.local.write().next.take();
        drop(next);
    }
}
