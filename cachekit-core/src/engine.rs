//! What a cache is made of: tier, slots, store, clock, limits. It knows nothing of callers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
#[cfg(feature = "session")]
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    audit::Sites,
    cache::{
        Answer, Copies, LastKnown, Lifetime, Limits, Looks, Marks, Policy, Renewals, Tasks, Turns,
    },
    clock::Clock,
    entry::{Id, Stamp},
    key::{Key, KeyRef, StoredKey},
    lock::Locks,
    observe::Reporter,
    slot::{Registry, Ticket},
    store::{Replaced, Store},
    tier::{Coherence, Entry, Extra, Fallen, Map, View},
    write::Queue,
};

/// The parts of one cache.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) registry: Arc<Registry>,
    pub(crate) tier: Option<Map>,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) loads: Arc<Semaphore>,
    pub(crate) turns: Turns,
    pub(crate) last_known: LastKnown,
    pub(crate) queue: Queue,
    pub(crate) reporter: Reporter,
    pub(crate) replaced: Replaced,
    pub(crate) looks: Looks,
    pub(crate) marks: Marks,
    pub(crate) renewals: Renewals,
    /// What outlives its callers.
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) sites: Sites,
    pub(crate) locks: Arc<Locks>,
    /// Set while more keys wait for their invalidation than the queue may hold.
    pub(crate) bypass_all: AtomicBool,
    /// Whether any read has named tags.
    pub(crate) knows_tags: AtomicBool,
    /// What bounds copies of the shared tier's entries; none where this process shares nothing, or keeps no copies.
    pub(crate) copies: Option<Copies>,
    /// Whether copies may be served now; none where nobody tells of invalidations.
    pub(crate) coherence: Option<Arc<Coherence>>,
    #[cfg(feature = "_sqlx")]
    pub(crate) sql: crate::sql::Hub,
}

impl Engine {
    /// What the in-process tier has for this key, and what time it is. An entry with an extra may be out of date.
    pub(crate) fn local(&self, key: &KeyRef<'_>) -> Option<(Entry, u64)> {
        self.local_under(key, &[])
    }

    /// Whether reads by this policy may be answered by the in-process tier: copies of the shared tier are not for all.
    #[inline]
    pub(crate) fn serves_here(&self, policy: &Policy) -> bool {
        policy.is_in_process() || self.copies.is_none()
    }

    /// What the in-process tier has for this key, alive or not; the view is to be had before.
    #[inline]
    pub(crate) fn in_tier(&self, key: &KeyRef<'_>) -> Option<Entry> {
        self.tier.as_ref()?.get(key)
    }

    /// Drops an entry that is over.
    pub(crate) fn living(&self, view: View, key: &KeyRef<'_>, entry: Entry) -> Option<Entry> {
        if entry.is_live(view) {
            return Some(entry);
        }
        self.tier.as_ref()?.forget(key, &entry);
        None
    }

    /// What a look-up in the in-process tier may use; to be asked for before it.
    #[inline]
    pub(crate) fn view(&self) -> Option<View> {
        match &self.coherence {
            None => Some(View { now_ms: self.clock.now_ms(), generation: 0 }),
            Some(coherence) => coherence.view(|| self.clock.now_ms()),
        }
    }

    /// Puts a loaded answer into the in-process tier, unless an invalidation came since the
    /// ticket was taken. Whether the tier *kept* it is another matter.
    pub(crate) fn local_fill(&self, ticket: &Ticket, key: &Key, fill: LocalFill<'_>) -> bool {
        let Some(insert) = self.insertion(key, fill) else { return false };
        ticket.redeem(insert).is_some()
    }

    /// Puts a written value into the in-process tier, unless anything has happened to the key since the ticket was
    /// taken. What is loading it now brings nothing newer, and is shared no more.
    pub(crate) fn local_supersede(&self, ticket: &Ticket, key: &Key, fill: LocalFill<'_>) -> bool {
        let Some(insert) = self.insertion(key, fill) else { return false };
        let Some((detached, fallen)) = ticket.supersede(insert) else { return false };
        detached.wake();
        drop(fallen);
        self.drop_generation(&key.as_ref());
        true
    }

    /// What puts an answer into the in-process tier, or removes what is there where it does not fit.
    fn insertion(&self, key: &Key, fill: LocalFill<'_>) -> Option<impl FnOnce() -> Fallen> {
        let tier = self.tier.as_ref()?;
        let weight = fill.policy.weight_of(fill.answer);
        let now_ms = self.clock.now_ms();
        let expires = now_ms.saturating_add(fill.lifetime.kept_ms);
        let mut entry = Entry::new(fill.answer.clone(), expires, weight, 0);
        if let Some(extra) = fill.extra(now_ms) {
            entry = entry.with_extra(extra);
        }
        let fits = u64::from(weight) <= tier.heaviest();
        let stored = StoredKey::from(key.as_ref());
        Some(move || match fits {
            true => tier.insert(stored, entry),
            false => tier.remove(&stored.as_ref()),
        })
    }

    /// Makes what this process has, or is loading, for `key` unfit for reads that begin from now
    /// on. `writers` of them are waiting for the remote invalidation.
    pub(crate) fn invalidate_locally(&self, key: &Key, writers: u32) {
        let key = key.as_ref();
        let evict = || self.tier.as_ref().map(|tier| tier.remove(&key));
        let (detached, fallen) = self.registry.invalidate(&key, writers, evict);
        detached.wake();
        drop(fallen);
        self.drop_generation(&key);
    }

    /// The same once more, after the remote invalidation of `writers` writers went through.
    pub(crate) fn clean(&self, key: &Key, writers: u32) {
        let key = key.as_ref();
        let evict = || self.tier.as_ref().map(|tier| tier.remove(&key));
        let (detached, fallen) = self.registry.clean(&key, writers, evict);
        detached.wake();
        drop(fallen);
        self.drop_generation(&key);
    }

    /// Why reads of this key may not use the cache now.
    pub(crate) fn barred(&self, key: &Key) -> Option<&'static str> {
        let dirty = || self.registry.is_dirty(&key.as_ref()).then_some("dirty");
        self.all_barred().or_else(dirty)
    }

    /// Why no read may use the cache now.
    pub(crate) fn all_barred(&self) -> Option<&'static str> {
        if self.bypass_all.load(Ordering::Acquire) {
            return Some("queue_full");
        }
        #[cfg(feature = "_sqlx")]
        if self.sql.doubts.are_too_many() {
            return Some("too_many_doubts");
        }
        None
    }

    /// Which keys in the shared store, and which rows of an outbox, are this cache's; empty where it
    /// shares nothing.
    #[cfg(feature = "_sqlx")]
    pub(crate) fn namespace(&self) -> &str {
        self.store.namespace()
    }

    /// How far this process may be behind what others wrote.
    #[cfg(feature = "session")]
    pub(crate) fn staleness(&self) -> Duration {
        let bounds = self.coherence.as_ref().map(|coherence| coherence.staleness_ms());
        let copies = || self.copies.map(|copies| copies.max_ttl_ms);
        Duration::from_millis(bounds.or_else(copies).unwrap_or_default())
    }

    /// Leave to run one of the loads that no flight of their key's bounds.
    pub(crate) async fn load_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.loads.clone().acquire_owned().await.ok()
    }

    /// Gives up leases that nobody needs any more.
    pub(crate) fn give_up(&self, key: &Key, ids: Vec<Id>) {
        ids.into_iter().for_each(|id| self.store.give_up(key.as_str(), id));
    }
}

/// An answer on its way into the in-process tier.
#[derive(Debug)]
pub(crate) struct LocalFill<'a> {
    pub(crate) answer: &'a Answer,
    pub(crate) policy: &'a Policy,
    pub(crate) lifetime: Lifetime,
    pub(crate) load_cost_ms: u32,
    /// The tags it was loaded under.
    pub(crate) stamps: Option<Arc<[Stamp]>>,
}

impl LocalFill<'_> {
    fn extra(&self, now_ms: u64) -> Option<Extra> {
        let soft_ttl_ms = self.lifetime.soft_ttl_ms();
        let stale_ms = (soft_ttl_ms > 0).then(|| now_ms.saturating_add(soft_ttl_ms.into()));
        let (load_cost_ms, stamps) = (self.load_cost_ms, self.stamps.clone());
        let plain = stale_ms.is_none() && stamps.is_none();
        (!plain).then_some(Extra { id: None, stale_ms, soft_ttl_ms, load_cost_ms, stamps })
    }
}
