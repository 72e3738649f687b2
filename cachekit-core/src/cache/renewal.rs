//! Loading anew in the background what is still there, and replacing it by compare-and-set.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::Instrument as _;

use super::{Age, Answer, Ask, Context, Mark, Tags, attempt::answer_of};
use crate::{
    __private::Split,
    engine::{Engine, LocalFill},
    entry::Stamps,
    key::{Key, Tag},
    slot::Ticket,
    sync,
    ttl::Ttl,
};
#[cfg(any(feature = "redis", shuttle))]
use crate::{
    entry::Id,
    mutant::{self, Mutant},
    store::{Expected, Fill},
};

/// A load that owns what it needs.
pub type Job = Pin<Box<dyn Future<Output = Brought> + Send>>;

/// What a load brought, and how long that is good if the value said so.
#[derive(Debug)]
pub struct Brought(pub Split, pub Option<Ttl>);

/// How long nobody of this process tries again where there is no turn to load.
const CROWDED_MS: u64 = 100;

/// Room for loads in the background, and their end.
#[derive(Debug)]
pub(crate) struct Renewals {
    room: Arc<Semaphore>,
    #[cfg(shuttle)]
    limit: usize,
    ended: watch::Sender<bool>,
    runtime: sync::Runtime,
}

impl Renewals {
    pub(crate) fn new(limit: usize) -> Self {
        let runtime = sync::Runtime::current();
        Self {
            room: Arc::new(Semaphore::new(limit)),
            #[cfg(shuttle)]
            limit,
            ended: watch::Sender::new(false),
            runtime,
        }
    }

    /// Whether no load is under way.
    #[cfg(shuttle)]
    pub(crate) fn is_idle(&self) -> bool {
        self.room.is_closed() || self.room.available_permits() == self.limit
    }

    /// Ends all loads in the background; none begins any more.
    pub(crate) fn end(&self) {
        self.room.close();
        self.ended.send_replace(true);
    }
}

/// A load in the background that is due. Dropped before it was begun, or ended, somebody else may begin it.
#[derive(Debug)]
pub(crate) struct Renewal {
    mark: Mark,
    ask: Ask,
    tags: Tags,
    /// The generations of the tags before the load.
    stamps: Option<Stamps>,
    age: Age,
    answer: Answer,
    _room: OwnedSemaphorePermit,
}

/// What came of it.
#[repr(usize)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// The new value took the old one's place.
    Filled,
    /// There is nothing to replace any more, or another process is at it.
    Elsewhere,
    /// Something happened to the key meanwhile; what was loaded is dropped.
    Refused,
    /// The load gave an error.
    Failed,
    /// Too many others load.
    Crowded,
    /// The load panicked.
    Panicked,
    /// The load took longer than loads may.
    TimedOut,
}

/// What the new value may take the place of.
enum Place {
    Local(Ticket),
    #[cfg(any(feature = "redis", shuttle))]
    Shared(Id),
}

impl Renewal {
    /// The right to load the key anew; `None` if somebody else has it, or if too many are at it.
    pub(super) fn begin(
        engine: &Arc<Engine>,
        key: &Key,
        (ask, tags): (&Ask, &Tags),
        age: Age,
        answer: &Answer,
    ) -> Option<Box<Self>> {
        let mark = Mark::take(engine, key, false)?;
        let Ok(room) = engine.renewals.room.clone().try_acquire_owned() else {
            engine.reporter.no_room_to_refresh(key.template());
            return None;
        };
        let (ask, tags, answer) = (*ask, tags.clone(), answer.clone());
        Some(Box::new(Self { mark, ask, tags, stamps: None, age, answer, _room: room }))
    }

    /// The answer that is there meanwhile.
    pub(crate) fn old(&self) -> &Answer {
        &self.answer
    }

    /// Begins the load, in a task that ends with the cache. `context` is its caller's.
    pub(crate) fn spawn(self: Box<Self>, job: Job, context: &Context) {
        let engine = self.mark.engine().clone();
        let key = self.mark.key();
        let context = context.in_background(&engine, key.clone());
        let span = tracing::debug_span!("cachekit.refresh", template = key.template());
        let mut end = engine.renewals.ended.subscribe();
        let work = async move {
            let work = context.scope(self.run(job));
            tokio::select! {
                biased;
                // An error means that the engine is gone, which this task keeps.
                _ = end.wait_for(|ended| *ended) => {}
                () = work => {}
            }
        };
        engine.renewals.runtime.spawn(Box::pin(work.instrument(span)));
    }

    async fn run(mut self: Box<Self>, job: Job) {
        let engine = self.mark.engine().clone();
        let renewed = match self.find_place().await {
            None => Renewed::Elsewhere,
            Some(place) => self.load(place, job).await,
        };
        match renewed {
            Renewed::Filled | Renewed::Refused => {}
            // Until the other one is through, nobody needs to ask for it with each read.
            Renewed::Elsewhere => {
                self.mark.pause(u64::from(self.age.load_cost_ms / 4).clamp(10, 500))
            }
            Renewed::Failed | Renewed::Panicked | Renewed::TimedOut => {
                self.mark.fail(self.ask.policy.retry_after_ms());
            }
            // The others go first: they have nothing to answer with.
            Renewed::Crowded => self.mark.pause(CROWDED_MS),
        }
        engine.reporter.refreshed(self.mark.key().template(), renewed);
    }

    /// What is seen here is seen before the load begins, so a write that comes in between voids it.
    async fn find_place(&mut self) -> Option<Place> {
        let engine = self.mark.engine();
        if engine.barred_under(self.mark.key(), self.tags()).is_some() {
            return None;
        }
        if let Some(tags) = &self.tags {
            self.stamps = Some(engine.stamps(&self.ask, tags).await.ok()?);
        }
        let engine = self.mark.engine();
        match &engine.store {
            crate::store::Store::Embedded => self.local_place(),
            #[cfg(any(feature = "redis", shuttle))]
            _ => self.shared_place().await,
        }
    }

    fn tags(&self) -> &[Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    /// The entry must still be there once the ticket is taken: what was invalidated stays away.
    fn local_place(&self) -> Option<Place> {
        let (engine, key) = (self.mark.engine(), self.mark.key());
        let ticket = Ticket::take(&engine.registry, key)?;
        let (entry, _) = engine.local_under(&key.as_ref(), self.tags())?;
        let same = entry.extra().is_some_and(|extra| extra.stale_ms == self.age.stale_ms);
        same.then_some(Place::Local(ticket))
    }

    /// One process is enough; and whoever was at it before may be through.
    #[cfg(any(feature = "redis", shuttle))]
    async fn shared_place(&mut self) -> Option<Place> {
        if !self.mark.spread(self.age.load_cost_ms).await.unwrap_or(true) {
            return None;
        }
        let key = self.mark.key().as_str();
        let store = &self.mark.engine().store;
        let found = store.read_by(key, &self.ask, self.tags()).await.ok().flatten()?;
        let same = self.age.id.is_none_or(|seen| seen == found.id);
        same.then_some(Place::Shared(found.id))
    }

    async fn load(&self, place: Place, job: Job) -> Renewed {
        let engine = self.mark.engine();
        let Ok(_turn) = self.ask.turn(engine, self.mark.key(), true).await else {
            return Renewed::Crowded;
        };
        let began_ms = engine.clock.now_ms();
        let loaded = sync::within(engine.limits.load_timeout, caught(job)).await;
        let Brought(split, ttl) = match loaded {
            Some(Some(brought)) => brought,
            Some(None) => return Renewed::Panicked,
            None => return Renewed::TimedOut,
        };
        if matches!(split, Split::Apart) {
            return Renewed::Refused;
        }
        let Ok(answer) = answer_of(split) else { return Renewed::Failed };
        if self.ask.policy.is_failure(&answer) {
            return Renewed::Failed;
        }
        let cost = engine.clock.now_ms().saturating_sub(began_ms).try_into().unwrap_or(u32::MAX);
        match self.fill(place, &answer, ttl, cost).await {
            true => Renewed::Filled,
            false => Renewed::Refused,
        }
    }

    async fn fill(&self, place: Place, answer: &Answer, ttl: Option<Ttl>, cost_ms: u32) -> bool {
        let (engine, key) = (self.mark.engine(), self.mark.key());
        let policy = ttl.map_or(self.ask.policy, |ttl| self.ask.policy.with_ttl(ttl));
        let Some(lifetime) = policy.draw_lifetime(answer) else { return false };
        match place {
            Place::Local(ticket) => {
                let policy = &policy;
                let (load_cost_ms, stamps) = (cost_ms, self.stamps.clone());
                let fill = LocalFill { answer, policy, lifetime, load_cost_ms, stamps };
                engine.local_fill(&ticket, key, fill)
            }
            #[cfg(any(feature = "redis", shuttle))]
            Place::Shared(seen) => {
                let Some(codec) = self.ask.codec else { return false };
                let expected = Expected::Entry(self.whatever_is_there(seen).await);
                let fill = Fill {
                    expected,
                    answer,
                    codec,
                    lifetime,
                    load_cost_ms: cost_ms,
                    stamps: self.stamps.clone(),
                    local: policy.is_in_process(),
                };
                let filled = engine.store.fill_by(key.as_str(), fill, self.tags()).await;
                // What this process has is a copy of what was replaced.
                engine.changed(&key.as_ref());
                if let Err(error) = filled {
                    engine.reporter.fill_failed(key.template(), error.reason());
                }
                filled.unwrap_or(false)
            }
        }
    }

    /// The entry that was seen before the load, unless that rule is broken on purpose.
    #[cfg(any(feature = "redis", shuttle))]
    async fn whatever_is_there(&self, seen: Id) -> Id {
        if !mutant::on(Mutant::RenewWhateverIsThere) {
            return seen;
        }
        let key = self.mark.key().as_str();
        let found = self.mark.engine().store.read(key, &self.ask).await.ok().flatten();
        found.map_or(seen, |found| found.id)
    }
}

/// Runs a user's load; `None` if it panicked.
async fn caught(mut job: Job) -> Option<Brought> {
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| job.as_mut().poll(cx))) {
        Ok(Poll::Ready(brought)) => Poll::Ready(Some(brought)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_panic) => Poll::Ready(None),
    })
    .await
}

impl Renewed {
    /// One word for logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::Elsewhere => "elsewhere",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Crowded => "crowded",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
        }
    }
}
