//! Messages that were given up: put aside, looked at, sent on their way again.

use std::fmt;

use super::publisher::DEFAULT_RETENTION;
use crate::redis::{Entry, Fields, StoreError, Stream};

/// How much of an error's text is kept.
const REASON: usize = 1024;

/// Entries moved by one look.
const BATCH: usize = 100;

/// The dead letters of one group.
#[derive(Debug)]
pub(super) struct Grave {
    pub(super) source: Stream,
    pub(super) dead: Stream,
    pub(super) group: String,
}

/// A message that was given up.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadEvent {
    /// The event's id; empty if what was published is no event.
    pub id: String,
    /// What the event is about. It may hold personal data.
    pub key: Option<String>,
    /// What happened, as JSON text. It may hold personal data.
    pub payload: String,
    /// Why it was given up: the text of the last error. It may hold personal data.
    pub reason: String,
}

impl Grave {
    /// Dead letters are kept as long as events are.
    pub(super) async fn bury(
        &self,
        entry: &str,
        fields: &Fields,
        reason: &str,
    ) -> Result<(), StoreError> {
        let mut fields = fields.clone();
        fields.set("reason", cut(reason));
        fields.set("entry", entry);
        self.dead.add(&fields, DEFAULT_RETENTION).await.map(drop)
    }

    pub(super) async fn list(&self, limit: usize) -> Result<Vec<DeadEvent>, StoreError> {
        let entries = self.dead.range("-", limit).await?;
        Ok(entries.into_iter().map(DeadEvent::of).collect())
    }

    /// Publishes them again, for this group alone. Those that come while it goes on are left.
    pub(super) async fn redrive(&self) -> Result<u64, StoreError> {
        let (mut left, mut moved) = (self.dead.len().await?, 0);
        while left > 0 {
            let entries =
                self.dead.range("-", BATCH.min(usize::try_from(left).unwrap_or(BATCH))).await?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                self.revive(entry).await?;
                left -= 1;
                moved += 1;
            }
        }
        Ok(moved)
    }

    async fn revive(&self, entry: Entry) -> Result<(), StoreError> {
        let mut fields = entry.fields.unwrap_or_default();
        fields.remove("reason");
        fields.remove("entry");
        fields.set("for", self.group.as_str());
        self.source.add(&fields, DEFAULT_RETENTION).await?;
        self.dead.delete(&[entry.id]).await
    }
}

impl DeadEvent {
    pub(crate) fn of(entry: Entry) -> DeadEvent {
        let fields = entry.fields.unwrap_or_default();
        let text = |name: &str| {
            let bytes = fields.bytes(name);
            bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        DeadEvent {
            id: text("id").unwrap_or_default(),
            key: text("key"),
            payload: text("payload").unwrap_or_default(),
            reason: text("reason").unwrap_or_default(),
        }
    }
}

impl fmt::Debug for DeadEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadEvent").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The beginning of a text.
pub(crate) fn cut(text: &str) -> &str {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= REASON);
    &text[..end.last().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reason_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"é".repeat(600)), "é".repeat(512));
        assert_eq!(cut(&format!("x{}", "é".repeat(600))).len(), 1023);
    }
}
