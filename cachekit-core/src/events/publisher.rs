//! Publishing to a Redis of its own.

use uuid::Uuid;

use super::{Event, StoredEvent};
use crate::redis::{Fields, Kind, RedisOptions, Retention, StoreError, Stream, Wire, stream_key};
use crate::{Error, ErrorKind};

/// Publishes events at once, without an outbox: for changes that are in no database, and for relays.
///
/// An event that belongs to a transaction is better published through the transaction, which does it after the commit
/// and only then. Clones share one connection, which is made again for ever.
///
/// ```no_run
/// use cachekit_core::events::{Event, Publisher};
///
/// # async fn example() -> Result<(), cachekit_core::Error> {
/// let publisher = Publisher::connect("redis://events.internal", "shop").await?;
/// publisher.publish(Event::new("prices", &999)?.key("product:7")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Publisher {
    wire: Wire,
    namespace: String,
    retention: Retention,
}

impl Publisher {
    /// Connects to `url` (see [`CacheBuilder::redis`](crate::CacheBuilder::redis)) with the default options. A server
    /// that is away is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for what will not mend itself.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way nothing stays behind.
    pub async fn connect(url: &str, namespace: &str) -> Result<Publisher, Error> {
        Publisher::connect_with(url, namespace, RedisOptions::new()).await
    }

    /// [`connect`](Self::connect) with time-outs and certificates of your own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for what will not mend itself.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way nothing stays behind.
    pub async fn connect_with(
        url: &str,
        namespace: &str,
        options: RedisOptions,
    ) -> Result<Publisher, Error> {
        crate::redis::check_name("namespace", namespace)?;
        let wire = Wire::connect(url, &options, std::time::Duration::ZERO).await?;
        Ok(Publisher { wire, namespace: namespace.to_owned(), retention: DEFAULT_RETENTION })
    }

    /// How much of each stream is kept; 100 000 entries by default. What a group has not consumed by then it never
    /// sees: watch its [lag](super::Lag).
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Publisher {
        self.retention = retention;
        self
    }

    /// Publishes the event; `Ok` when Redis has acknowledged it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] if it was not published; [`ErrorKind::Timeout`] if that is unknown: publishing the same
    /// event again is safe, since consumers know it by its id.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the event may be published or not.
    pub async fn publish(&self, event: Event) -> Result<(), Error> {
        self.publish_stored(&event.into_stored()).await
    }

    /// [`publish`](Self::publish) for an event of an outbox.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), and [`ErrorKind::Config`] for a topic that names no stream.
    ///
    /// # Cancel safety
    ///
    /// As [`publish`](Self::publish).
    pub async fn publish_stored(&self, event: &StoredEvent) -> Result<(), Error> {
        let stream = self.wire.stream(stream_key(&self.namespace, Kind::Events, &event.topic)?);
        add(&stream, event, self.retention).await.map_err(unpublished)
    }

    /// Closes the connection, after what is on its way.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the connection is closed all the same.
    pub async fn shutdown(&self) {
        self.wire.shutdown().await;
    }
}

/// What is kept unless somebody says otherwise.
pub(crate) const DEFAULT_RETENTION: Retention = Retention::Length(100_000);

async fn add(stream: &Stream, event: &StoredEvent, keep: Retention) -> Result<(), StoreError> {
    stream.add(&fields(event), keep).await.map(drop)
}

/// An event as the fields of an entry.
pub(crate) fn fields(event: &StoredEvent) -> Fields {
    let mut fields = Fields::default();
    fields.set("id", event.id.as_str());
    if let Some(key) = &event.key {
        fields.set("key", key.as_str());
    }
    fields.set("payload", event.payload.as_str());
    if let Some(trace) = &event.trace {
        fields.set("trace", trace.as_str());
    }
    if let Some(at) = made_at_ms(&event.id) {
        fields.set("at", at.to_string());
    }
    fields
}

/// When the event was made: its id says so.
fn made_at_ms(id: &str) -> Option<u64> {
    let (seconds, nanos) = Uuid::parse_str(id).ok()?.get_timestamp()?.to_unix();
    Some(seconds * 1000 + u64::from(nanos) / 1_000_000)
}

fn unpublished(error: StoreError) -> Error {
    let (kind, message) = match error {
        StoreError::Down => (ErrorKind::Unavailable, "redis cannot be reached"),
        StoreError::OutOfMemory => (ErrorKind::Unavailable, "redis is out of memory"),
        StoreError::Refused(_) => {
            (ErrorKind::Unavailable, "redis refused it; see the log-in's permissions")
        }
        StoreError::Timeout | StoreError::Io => {
            (ErrorKind::Timeout, "redis did not acknowledge it; publish it again")
        }
    };
    Error::new(kind, "publish event", message)
}

#[cfg(test)]
mod tests {
    use cachekit_test_support::{RedisServer, Reply};

    use super::*;
    use crate::Cache;

    #[tokio::test]
    async fn cache_s_own_link_publishes_to_the_same_stream() {
        let server = RedisServer::start();
        let cache = Cache::builder().namespace("shop").redis(&server.url()).await.unwrap();
        let cache = cache.build().unwrap();
        let event = Event::new("orders", &7).unwrap().key("a").into_stored();
        cache.engine().unwrap().store.publish(&event).await.unwrap();
        let publisher = Publisher::connect(&server.url(), "shop").await.unwrap();
        publisher.publish_stored(&event).await.unwrap();
        let length = server.connection().call(&["XLEN", "ck~e:shop:orders"]);
        assert_eq!(length, Reply::Int(2));
        let embedded = Cache::builder().build().unwrap();
        let refused = embedded.engine().unwrap().store.publish(&event).await;
        assert!(refused.is_err(), "it has no streams");
    }

    #[test]
    fn entry_says_when_its_event_was_made() {
        let fields = fields(&Event::new("orders", &7).unwrap().into_stored());
        let at: u64 = fields.text("at").unwrap().parse().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(now.as_millis().abs_diff(u128::from(at)) < 20_000);
        assert_eq!(made_at_ms("no uuid"), None);
    }
}
