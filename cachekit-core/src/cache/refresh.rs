//! Loading anew and replacing what is there, by compare-and-set on the entry that was seen.

use std::sync::Arc;

use super::{
    Answer, Ask, Lifetime, Status, Step, Tags,
    attempt::answer_of,
    turns::{Crowded, Turn},
};
use crate::{
    __private::Split,
    engine::{Engine, LocalFill},
    entry::Stamps,
    flight::Verdict,
    key::{Key, Tag},
    slot::Ticket,
};
#[cfg(any(feature = "redis", shuttle))]
use crate::{
    entry::Id,
    store::{Expected, Fill, Hold, StoreError},
};

/// A caller that loads whatever the cache has.
#[derive(Debug)]
pub(crate) struct Refresh {
    pub(super) engine: Arc<Engine>,
    pub(super) key: Key,
    pub(super) ask: Ask,
    tags: Tags,
    /// The generations of the tags before the load.
    stamps: Option<Stamps>,
    place: Place,
    /// Leave to load, while it loads.
    turn: Option<Box<Turn>>,
    /// An id that this caller sent and that may be, or become, a lease of its key.
    #[cfg(any(feature = "redis", shuttle))]
    sent: Option<Id>,
    began_ms: u64,
}

/// What the fresh value may replace.
#[derive(Debug)]
enum Place {
    Unknown,
    /// Nothing may be replaced: the key is dirty, or the store is away.
    None,
    Local(Ticket),
    #[cfg(any(feature = "redis", shuttle))]
    Remote {
        expected: Expected,
        _hold: Option<Hold>,
    },
}

impl Refresh {
    pub(crate) fn new(engine: &Arc<Engine>, key: Key, ask: Ask, tags: Tags) -> Self {
        Self {
            engine: engine.clone(),
            key,
            ask,
            tags,
            stamps: None,
            place: Place::Unknown,
            turn: None,
            #[cfg(any(feature = "redis", shuttle))]
            sent: None,
            began_ms: 0,
        }
    }

    pub(crate) async fn next(&mut self) -> Step {
        match self.ask.turn(&self.engine, &self.key, false).await {
            Ok(turn) => self.turn = turn,
            Err(Crowded) => return Step::Done(Verdict::Refused),
        }
        self.place = self.find_place().await;
        self.began_ms = self.engine.clock.now_ms();
        Step::Load
    }

    /// What is seen here is seen before the load begins, so a write that comes in between voids it.
    async fn find_place(&mut self) -> Place {
        if self.engine.barred_under(&self.key, self.tags()).is_some() {
            return Place::None;
        }
        if let Some(tags) = &self.tags {
            let Ok(stamps) = self.engine.stamps(&self.ask, tags).await else { return Place::None };
            self.stamps = Some(stamps);
        }
        match &self.engine.store {
            crate::store::Store::Embedded => {
                Ticket::take(&self.engine.registry, &self.key).map_or(Place::None, Place::Local)
            }
            #[cfg(any(feature = "redis", shuttle))]
            _ => self.find_remote_place().await.unwrap_or(Place::None),
        }
    }

    #[cfg(any(feature = "redis", shuttle))]
    async fn find_remote_place(&mut self) -> Option<Place> {
        let store = &self.engine.store;
        let id = store.fresh_id()?;
        self.sent = Some(id);
        let seen = store.seen(self.key.as_str(), id).await;
        if !matches!(seen, Ok(Some(Expected::Lease(_))) | Err(StoreError::Unknown)) {
            self.sent = None;
        }
        let expected = seen.ok().flatten()?;
        let hold = self.sent.and_then(|id| store.hold(self.key.as_str(), id));
        Some(Place::Remote { expected, _hold: hold })
    }

    fn tags(&self) -> &[Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    pub(crate) async fn settle(&mut self, split: Split) -> Option<Verdict> {
        self.turn = None;
        let answer = answer_of(split).ok();
        let lifetime = answer.as_ref().and_then(|answer| self.ask.policy.draw_lifetime(answer));
        if let (Some(answer), Some(lifetime)) = (answer, lifetime) {
            if self.fill(&answer, lifetime).await {
                self.used_up();
            } else {
                self.engine.reporter.fill_refused(self.key.template());
            }
        }
        Some(Verdict::Own(Status::Loaded))
    }

    /// A fill took the place of what was seen.
    fn used_up(&mut self) {
        self.place = Place::None;
        #[cfg(any(feature = "redis", shuttle))]
        {
            self.sent = None;
        }
    }

    async fn fill(&self, answer: &Answer, lifetime: Lifetime) -> bool {
        let cost = self.engine.clock.now_ms().saturating_sub(self.began_ms);
        let load_cost_ms = cost.try_into().unwrap_or(u32::MAX);
        let policy = &self.ask.policy;
        match &self.place {
            Place::Unknown | Place::None => false,
            Place::Local(ticket) => {
                let stamps = self.stamps.clone();
                let fill = LocalFill { answer, policy, lifetime, load_cost_ms, stamps };
                self.engine.local_fill(ticket, &self.key, fill)
            }
            #[cfg(any(feature = "redis", shuttle))]
            Place::Remote { expected, .. } => {
                let Some(codec) = self.ask.codec else { return false };
                let (expected, local) = (*expected, policy.is_in_process());
                let stamps = self.stamps.clone();
                let fill = Fill { expected, answer, codec, lifetime, load_cost_ms, stamps, local };
                let filled = self.engine.store.fill_by(self.key.as_str(), fill, self.tags()).await;
                // Also after one whose outcome is unknown: a copy of before is not given to who asked for a new one.
                self.engine.changed(&self.key.as_ref());
                filled.unwrap_or(false)
            }
        }
    }
}

/// A lease that was not filled is given up, so that others need not wait for it to run out.
#[cfg(any(feature = "redis", shuttle))]
impl Drop for Refresh {
    fn drop(&mut self) {
        if let Some(id) = self.sent {
            self.engine.give_up(&self.key, vec![id]);
        }
    }
}
