//! A row of the outbox: the keys that a transaction changed, and the events it published.

use std::{fmt, time::Duration};

use uuid::Uuid;

pub use crate::events::StoredEvent;

/// The id of a row, and so of the transaction that wrote it: a UUID of version 7.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(Uuid);

impl RowId {
    /// An id that was never used.
    #[expect(clippy::new_without_default, reason = "each one is another")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Its 16 bytes, as databases without a UUID type store it.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl TryFrom<&[u8]> for RowId {
    type Error = sqlx::Error;

    fn try_from(bytes: &[u8]) -> sqlx::Result<Self> {
        let id = Uuid::from_slice(bytes).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Self(id))
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowId({self})")
    }
}

/// What one transaction leaves for after its commit.
#[derive(Clone)]
pub struct OutboxRow {
    /// The row's id.
    pub id: RowId,
    /// The namespace of the cache whose keys these are; empty for an embedded cache.
    pub namespace: String,
    /// The keys to invalidate, as they are stored, without the namespace.
    pub keys: Vec<String>,
    /// The events to publish.
    pub events: Vec<StoredEvent>,
}

impl OutboxRow {
    /// How long a relay leaves the row to the process that wrote it, which as a rule is quicker. Events are a relay's
    /// work alone.
    #[doc(hidden)]
    pub fn respite(&self) -> Duration {
        if self.events.is_empty() { Duration::from_secs(1) } else { Duration::ZERO }
    }

    /// The keys as JSON text.
    ///
    /// # Errors
    ///
    /// None that can be met: keys are text.
    pub fn keys_json(&self) -> sqlx::Result<String> {
        serde_json::to_string(&self.keys).map_err(|error| sqlx::Error::Encode(error.into()))
    }

    /// The events as JSON text.
    ///
    /// # Errors
    ///
    /// None that can be met: events are text.
    pub fn events_json(&self) -> sqlx::Result<String> {
        serde_json::to_string(&self.events).map_err(|error| sqlx::Error::Encode(error.into()))
    }
}

/// Shows how much there is, for keys and events may hold personal data.
impl fmt::Debug for OutboxRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxRow")
            .field("id", &self.id)
            .field("namespace", &self.namespace)
            .field("keys", &self.keys.len())
            .field("events", &self.events.len())
            .finish()
    }
}
