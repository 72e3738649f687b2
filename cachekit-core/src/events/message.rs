//! What a handler is given.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;

use super::handler::Failure;
use crate::redis::Fields;

/// An event as a consumer gets it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message<T> {
    /// The event's id, the same each time it is delivered: note it in the transaction that handles the event to handle it
    /// once.
    pub id: String,
    /// What the event is about. It may hold personal data.
    pub key: Option<String>,
    /// What happened.
    pub payload: T,
    /// The trace the event belongs to, as in a `traceparent` header.
    pub trace: Option<String>,
    /// When the event was made, by the clock of whoever made it.
    pub at: Option<SystemTime>,
    /// How often this consumer has tried to handle it, this time included.
    pub attempt: u32,
}

impl<T: DeserializeOwned> Message<T> {
    /// Takes an entry apart.
    pub(super) fn decode(fields: &Fields, attempt: u32) -> Result<Message<T>, Failure> {
        let text = |name: &str| fields.text(name).map(str::to_owned);
        let undecodable = |reason: String| Failure::Undecodable(reason);
        let id = text("id").ok_or_else(|| undecodable("the entry has no id".to_owned()))?;
        let payload = fields.bytes("payload").unwrap_or_default();
        let payload = serde_json::from_slice(payload).map_err(|error| {
            undecodable(format!("the payload is no `{}`: {error}", std::any::type_name::<T>()))
        })?;
        let at = fields.text("at").and_then(|at| at.parse().ok());
        let at = at.map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
        Ok(Message { id, key: text("key"), payload, trace: text("trace"), at, attempt })
    }
}
