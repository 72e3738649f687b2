//! An event that is to be published.

use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use super::StoredEvent;
use crate::{Error, ErrorKind};

/// Something that happened: a topic, what happened, and which thing it is about.
///
/// ```
/// use cachekit_core::events::Event;
///
/// #[derive(serde::Serialize)]
/// struct PriceChanged {
///     cents: u64,
/// }
///
/// let event = Event::new("prices", &PriceChanged { cents: 999 })?.key("product:7");
/// assert_eq!(event.topic(), "prices");
/// # Ok::<(), cachekit_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "an event does nothing until it is published"]
pub struct Event(StoredEvent);

impl Event {
    /// An event of this topic, with a payload that is stored as JSON, and an id of its own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if `topic` is empty, longer than 64 bytes, or holds `:`, `.`, `{`, `}` or a control
    /// character; [`ErrorKind::Codec`] if the payload cannot be serialized.
    pub fn new<T: Serialize + ?Sized>(topic: &str, payload: &T) -> Result<Event, Error> {
        check_topic(topic)?;
        let payload = serde_json::to_string(payload).map_err(|error| {
            let message = format!("a `{}` cannot be serialized", std::any::type_name::<T>());
            Error::new(ErrorKind::Codec, OPERATION, message).with_source(error)
        })?;
        let id = Uuid::now_v7().to_string();
        Ok(Event(StoredEvent { id, topic: topic.to_owned(), key: None, payload, trace: None }))
    }

    /// What the event is about. Events with the same key are handled in order, as far as [that](super) goes.
    pub fn key(mut self, key: impl Into<String>) -> Event {
        self.0.key = Some(key.into());
        self
    }

    /// The trace the event belongs to, as in a `traceparent` header; consumers are given it.
    pub fn trace(mut self, traceparent: impl Into<String>) -> Event {
        self.0.trace = Some(traceparent.into());
        self
    }

    /// The id by which consumers tell a second delivery: a UUID of version 7.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.0.topic
    }

    /// The event as it is stored.
    #[must_use]
    pub fn into_stored(self) -> StoredEvent {
        self.0
    }
}

/// Without key and payload, which may hold personal data.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

const OPERATION: &str = "make event";

/// Whether a stream can be named after it.
fn check_topic(topic: &str) -> Result<(), Error> {
    let forbidden = |c: char| matches!(c, ':' | '.' | '{' | '}') || c.is_control();
    if !topic.is_empty() && topic.len() <= 64 && !topic.contains(forbidden) {
        return Ok(());
    }
    let message = format!(
        "`{}` is no topic; give 1 to 64 bytes without `:`, `.`, `{{` and `}}`",
        topic.escape_debug()
    );
    Err(Error::new(ErrorKind::Config, OPERATION, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_has_an_id_of_its_own_and_shows_no_payload() {
        let event = || Event::new("orders", &"secret").unwrap().key("secret");
        assert_ne!(event().id(), event().id());
        assert!(!format!("{:?}", event()).contains("secret"));
        assert_eq!(event().into_stored().payload, "\"secret\"");
    }

    #[test]
    fn topic_that_names_no_stream_is_refused() {
        for topic in ["", "a:b", "a.b", "a{b}", "a\nb", &"x".repeat(65)] {
            let error = Event::new(topic, &1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{topic}");
        }
    }
}
