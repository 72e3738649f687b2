//! What is noted of the work in a scope, and what was said of its session.

#[cfg(feature = "session")]
use std::sync::OnceLock;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

#[cfg(feature = "session")]
use super::session::{Pin, Session};
#[cfg(feature = "session")]
use crate::key::{KeyRef, Tag};
use crate::{
    key::Key,
    sync::{Mutex, lock},
};

/// How many invalidated keys a scope remembers.
const KEYS: usize = 1024;
/// How many tags a scope remembers; more than any response may have.
const TAGS: usize = 32;
/// No position was noted.
#[cfg(feature = "session")]
const NONE: u64 = 0;

/// Where invalidated keys are noted. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collector(Arc<Collected>);

#[derive(Debug, Default)]
struct Collected {
    /// That of the scope around this one, which is told of everything.
    outer: Option<Collector>,
    keys: Mutex<Vec<Key>>,
    /// What answers in the scope depend on.
    tags: Mutex<Vec<Key>>,
    /// There were more.
    more: AtomicBool,
    /// A write has begun.
    wrote: AtomicBool,
    /// Whoever reads may do so from a replica.
    replicas: AtomicBool,
    position: AtomicU64,
    #[cfg(feature = "session")]
    session: OnceLock<Session>,
}

impl Collector {
    pub(super) fn inside(outer: Option<Self>) -> Self {
        Self(Arc::new(Collected { outer, ..Collected::default() }))
    }

    /// This one and those around it.
    fn all(&self) -> impl Iterator<Item = &Collected> {
        std::iter::successors(Some(&*self.0), |inner| inner.outer.as_ref().map(|outer| &*outer.0))
    }

    pub(crate) fn add(&self, key: &Key) {
        self.note_write();
        for collected in self.all() {
            let mut keys = lock(&collected.keys);
            if keys.contains(key) {
                continue;
            }
            if keys.len() < KEYS {
                keys.push(key.clone());
            } else {
                collected.more.store(true, Ordering::Release);
            }
        }
    }

    pub(super) fn tag(&self, tag: &Key) {
        for collected in self.all() {
            let mut tags = lock(&collected.tags);
            if tags.len() < TAGS && !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
    }

    pub(super) fn tags(&self) -> Vec<Key> {
        lock(&self.0.tags).clone()
    }

    /// A write has begun: what follows may depend on it.
    pub(crate) fn note_write(&self) {
        self.all().for_each(|collected| collected.wrote.store(true, Ordering::Release));
    }

    pub(super) fn note_position(&self, position: u64) {
        for collected in self.all() {
            collected.position.fetch_max(position, Ordering::AcqRel);
        }
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        lock(&self.0.keys).clone()
    }

    #[cfg(feature = "session")]
    pub(super) fn has_more(&self) -> bool {
        self.0.more.load(Ordering::Acquire)
    }

    pub(super) fn wrote(&self) -> bool {
        self.0.wrote.load(Ordering::Acquire)
    }

    #[cfg(feature = "session")]
    pub(super) fn noted_position(&self) -> Option<u64> {
        Some(self.0.position.load(Ordering::Acquire)).filter(|position| *position != NONE)
    }

    pub(super) fn allow_replicas(&self, allow: bool) {
        self.0.replicas.store(allow, Ordering::Release);
    }

    pub(super) fn allows_replicas(&self) -> bool {
        self.0.replicas.load(Ordering::Acquire)
    }
}

#[cfg(feature = "session")]
impl Collector {
    pub(super) fn pin_session(&self, session: Session) {
        // The first one is that of the request.
        let _first = self.0.session.set(session);
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.all().find_map(|collected| collected.session.get())
    }

    /// From where a read of this key may not be answered.
    pub(super) fn pin(&self, key: &KeyRef<'_>, tags: &[Tag]) -> Option<Pin> {
        self.session()?.pin(key, tags)
    }
}
