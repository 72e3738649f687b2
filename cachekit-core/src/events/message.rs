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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// What a foreign producer may have written under a name that means something here.
    fn any_fields() -> impl Strategy<Value = Fields> {
        let name = prop_oneof!["id|key|payload|trace|at", ".{0,4}"];
        let value = prop_oneof![
            vec(any::<u8>(), 0..40),
            any::<u64>().prop_map(|number| number.to_string().into_bytes()),
            "\\PC{0,8}".prop_map(|text| serde_json::to_vec(&text).unwrap()),
        ];
        vec((name, value), 0..8).prop_map(Fields)
    }

    proptest! {
        #[test]
        fn any_fields_make_a_message_or_say_why_not(fields in any_fields()) {
            let has_id = fields.text("id").is_some();
            match Message::<String>::decode(&fields, 1) {
                Ok(message) => prop_assert!(has_id && fields.text("id") == Some(&message.id)),
                Err(Failure::Undecodable(reason)) => prop_assert!(!reason.is_empty()),
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
