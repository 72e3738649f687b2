//! An event as it is stored.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An event as it lies in the outbox.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredEvent {
    /// A UUID, by which consumers tell a second delivery.
    pub id: String,
    /// What it is about; names the stream.
    pub topic: String,
    /// Events with the same key are about the same thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What happened, as JSON text.
    pub payload: String,
    /// The trace it belongs to, as in a `traceparent` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

impl fmt::Debug for StoredEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredEvent")
            .field("id", &self.id)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}
