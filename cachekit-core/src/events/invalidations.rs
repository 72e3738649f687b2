//! Invalidations as events, for services that do not share the database or the cache.

use serde::{Deserialize, Serialize};

use super::{Consumer, ConsumerHandle, Event, Message};
use crate::cache::{Cache, Outcome};
use crate::{Error, ErrorKind, Key};

/// The topic of invalidations. The payload of its events is `{"keys": ["user:7", …]}`: the texts of keys, as
/// [`Key::as_str`] gives them.
pub const INVALIDATIONS: &str = "invalidations";

#[derive(Serialize, Deserialize)]
struct Keys {
    keys: Vec<String>,
}

impl Event {
    /// An event of the topic [`INVALIDATIONS`] that names these keys.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Codec`] if they cannot be written as JSON.
    pub fn invalidations<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Result<Event, Error> {
        let keys = keys.into_iter().map(|key| key.as_str().to_owned()).collect();
        Event::new(INVALIDATIONS, &Keys { keys })
    }
}

impl Consumer {
    /// Consumes invalidations that another service publishes, and invalidates the keys in `cache`.
    ///
    /// Processes that share a cache in Redis are one group; each process that has one of its own is a group of its own.
    /// An event is acknowledged when Redis has acknowledged the invalidation. It comes after the other service's
    /// commit by however long the relay and this consumer take: until then reads here may be given the older value.
    ///
    /// ```no_run
    /// use cachekit_core::events::{Consumer, INVALIDATIONS};
    ///
    /// # async fn example(cache: cachekit_core::Cache) -> Result<(), cachekit_core::Error> {
    /// let consumer = Consumer::new(INVALIDATIONS, "storefront")
    ///     .namespace("stock")
    ///     .start_invalidating("redis://events.internal", &cache)
    ///     .await?;
    /// # consumer.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way nothing stays behind.
    pub async fn start_invalidating(
        self,
        url: &str,
        cache: &Cache,
    ) -> Result<ConsumerHandle, Error> {
        let cache = cache.clone();
        self.start(url, move |message: Message<Keys>| invalidate(cache.clone(), message)).await
    }
}

async fn invalidate(cache: Cache, message: Message<Keys>) -> Result<(), Error> {
    let refuse = |kind, text: &'static str| Err(Error::new(kind, "invalidate", text));
    let keys: Option<Vec<_>> =
        message.payload.keys.iter().map(|text| Key::from_text(text)).collect();
    let Some(keys) = keys else { return refuse(ErrorKind::InvalidKey, "a text is no key") };
    let outcomes = cache.invalidate_many(keys).await;
    match outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Applied) {
        true => Ok(()),
        // This process would go on trying, but may end before it gets through.
        false => refuse(ErrorKind::Unavailable, "redis has not acknowledged all of it"),
    }
}
