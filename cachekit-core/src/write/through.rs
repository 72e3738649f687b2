//! Write-through: a written value takes the place of what was cached before its body began.
//!
//! What is in the cache when a writer's body begins may be replaced by what the body has written if it is still there
//! when the body ends: whoever has committed since, and returned, has removed it. Else the key is invalidated.

use std::sync::Arc;

use super::Armed;
#[cfg(any(feature = "redis", shuttle))]
use crate::store::{Expected, Fill};
use crate::{
    __private::Codec,
    cache::{Answer, Ask, Context, Outcome, Policy},
    engine::{Engine, LocalFill},
    entry::Stamps,
    key::{Key, Tag},
    slot::Ticket,
    store::{Store, StoreError},
};

/// A writer that may leave its value in the cache. Dropped, it invalidates its key, once the body has begun.
#[derive(Debug)]
pub(crate) struct Through {
    // Dropped before the claim: the key is invalidated, and what others have is void.
    armed: Armed,
    key: Key,
    claim: Claim,
    #[cfg_attr(not(any(feature = "redis", shuttle)), allow(dead_code))]
    tags: Vec<Tag>,
    /// The generations of its tags before the body began, if it has tags.
    stamps: Option<Stamps>,
    engine: Arc<Engine>,
}

/// What the value may take the place of.
#[derive(Debug)]
enum Claim {
    /// Whatever is there, if nothing happens to it.
    Local(Ticket),
    #[cfg(any(feature = "redis", shuttle))]
    Shared(Expected),
    /// Nothing: the key is invalidated.
    None,
}

impl Through {
    /// To be called before the body: what is there now was there before its commit.
    pub(crate) async fn begin(
        engine: &Arc<Engine>,
        key: Key,
        tags: &[Tag],
        policy: &Policy,
    ) -> Self {
        let stamps = stamps(engine, tags, policy).await;
        let claim = match &stamps {
            Ok(_) => Claim::of(engine, &key).await,
            Err(_) => Claim::None,
        };
        let armed = Armed::new(engine, vec![key.clone()], None);
        let (tags, stamps) = (tags.to_vec(), stamps.ok().flatten());
        Self { armed, key, claim, tags, stamps, engine: engine.clone() }
    }

    /// Leaves what was written in the cache, or invalidates the key.
    #[cfg_attr(not(any(feature = "redis", shuttle)), allow(unused_variables))]
    pub(crate) async fn finish(
        self,
        written: Option<Answer>,
        codec: Option<&'static Codec>,
        policy: &Policy,
    ) -> Vec<(Key, Outcome)> {
        let lifetime = written.as_ref().and_then(|answer| policy.draw_lifetime(answer));
        let (Some(answer), Some(lifetime)) = (written, lifetime) else {
            return self.armed.fire().outcomes().await;
        };
        let stamps = self.stamps.clone();
        let fill = LocalFill { answer: &answer, policy, lifetime, load_cost_ms: 0, stamps };
        match &self.claim {
            Claim::Local(ticket) => {
                let entered = self.engine.local_supersede(ticket, &self.key, fill);
                if entered { self.entered() } else { self.armed.fire().outcomes().await }
            }
            #[cfg(any(feature = "redis", shuttle))]
            Claim::Shared(expected) => {
                let expected = *expected;
                self.finish_shared(expected, codec, fill).await
            }
            Claim::None => self.armed.fire().outcomes().await,
        }
    }

    #[cfg(any(feature = "redis", shuttle))]
    async fn finish_shared(
        self,
        expected: Expected,
        codec: Option<&'static Codec>,
        fill: LocalFill<'_>,
    ) -> Vec<(Key, Outcome)> {
        // Loads of this process that began before are void from here on, and its reads go past the cache.
        let marked = Marked::new(&self.engine, &self.key);
        let filled = match codec {
            Some(codec) => {
                let (answer, lifetime) = (fill.answer, fill.lifetime);
                let local = fill.policy.is_in_process();
                let (load_cost_ms, stamps) = (0, fill.stamps);
                let fill = Fill { expected, answer, codec, lifetime, load_cost_ms, stamps, local };
                self.fill_and_void(fill).await
            }
            None => Ok(false),
        };
        if filled == Ok(true) {
            drop(marked);
            return self.entered();
        }
        self.engine.reporter.fill_refused(self.key.template());
        // A fill whose outcome is unknown is refused when it comes after this: what it expects is gone then.
        let writers = self.armed.fire();
        drop(marked);
        writers.outcomes().await
    }

    /// Fills, and voids what was loaded under the key as a tag: it was written.
    #[cfg(any(feature = "redis", shuttle))]
    async fn fill_and_void(&self, fill: Fill<'_>) -> Result<bool, StoreError> {
        let tag = self.key.to_tag();
        let (store, texts) = (&self.engine.store, [tag.as_str()]);
        let filling = store.fill_by(self.key.as_str(), fill, &self.tags);
        let (filled, voided) = tokio::join!(filling, store.unlink(&texts));
        voided.into_iter().collect::<Result<(), _>>()?;
        filled
    }

    fn entered(self) -> Vec<(Key, Outcome)> {
        let Self { armed, key, engine, .. } = self;
        armed.disarm();
        let collector = Context::with(|context| context.and_then(|c| c.collector.clone()));
        if let Some(collector) = collector {
            collector.add(&key);
        }
        engine.reporter.invalidation(key.template(), Outcome::Applied);
        vec![(key, Outcome::Applied)]
    }
}

/// The generations of the tags, before the body.
async fn stamps(
    engine: &Arc<Engine>,
    tags: &[Tag],
    policy: &Policy,
) -> Result<Option<Stamps>, StoreError> {
    if tags.is_empty() {
        return Ok(None);
    }
    let ask = Ask { policy: *policy, codec: None, optional: false, nested: false };
    engine.stamps(&ask, tags).await.map(Some)
}

impl Claim {
    async fn of(engine: &Arc<Engine>, key: &Key) -> Self {
        if matches!(engine.store, Store::Embedded) {
            return Ticket::take(&engine.registry, key).map_or(Self::None, Self::Local);
        }
        #[cfg(any(feature = "redis", shuttle))]
        if let Some(id) = engine.store.fresh_id() {
            let px = engine.limits.load_timeout.as_millis().try_into().unwrap_or(u64::MAX);
            let claimed = engine.store.claim(key.as_str(), id, px).await;
            return claimed.ok().flatten().map_or(Self::None, Self::Shared);
        }
        Self::None
    }
}

/// A key that reads of this process go past the cache for.
#[cfg(any(feature = "redis", shuttle))]
struct Marked<'a> {
    engine: &'a Engine,
    key: &'a Key,
}

#[cfg(any(feature = "redis", shuttle))]
impl<'a> Marked<'a> {
    fn new(engine: &'a Engine, key: &'a Key) -> Self {
        engine.invalidate_locally(key, 1);
        Self { engine, key }
    }
}

#[cfg(any(feature = "redis", shuttle))]
impl Drop for Marked<'_> {
    fn drop(&mut self) {
        self.engine.clean(self.key, 1);
    }
}
