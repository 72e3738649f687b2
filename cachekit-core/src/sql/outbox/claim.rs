//! Rows on their way from the outbox to a relay.

use std::time::Duration;

use super::{OutboxRow, RowId, StoredEvent};

/// Which rows a relay takes.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Who takes them; no two relays share a name.
    pub relay: &'a str,
    /// Whose rows.
    pub namespace: &'a str,
    /// How many at most.
    pub limit: u32,
    /// For how long they are this relay's alone.
    pub lease: Duration,
    /// Rows that no relay has tried for this long are taken although their next try is due later.
    pub hurry: Option<Duration>,
}

/// A row that a relay works on.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The row's id.
    pub id: RowId,
    /// How often it was claimed, this time included.
    pub attempts: u32,
    /// How long ago it was written.
    pub age: Duration,
    /// The row, or what is wrong with it.
    pub row: Result<OutboxRow, String>,
}

/// How much waits in an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// Rows that were not dealt with yet.
    pub pending: u64,
    /// Rows that were given up.
    pub dead: u64,
    /// How long the oldest pending row has waited.
    pub oldest: Option<Duration>,
}

impl Backlog {
    pub(crate) fn new(pending: i64, dead: i64, oldest: Option<Duration>) -> Self {
        let count = |count: i64| count.try_into().unwrap_or(0);
        Self { pending: count(pending), dead: count(dead), oldest }
    }
}

/// A row as the database gives it back.
#[cfg_attr(
    not(any(feature = "sqlx-postgres", feature = "sqlx-mysql", feature = "sqlx-sqlite")),
    allow(dead_code)
)]
pub(crate) struct Raw {
    pub(crate) id: RowId,
    pub(crate) attempts: i64,
    pub(crate) age: Duration,
    pub(crate) keys: Result<Vec<String>, String>,
    pub(crate) events: Result<String, String>,
}

impl Raw {
    pub(crate) fn into_claimed(self, namespace: &str) -> Claimed {
        let Self { id, attempts, age, keys, events } = self;
        let row = keys.and_then(|keys| {
            let events = events.and_then(|text| list::<StoredEvent>("events", &text))?;
            Ok(OutboxRow { id, namespace: namespace.to_owned(), keys, events })
        });
        Claimed { id, attempts: attempts.try_into().unwrap_or(0), age, row }
    }
}

/// A list in JSON. What is wrong with it is said without its contents, which may be personal.
pub(crate) fn list<T: serde::de::DeserializeOwned>(
    column: &str,
    text: &str,
) -> Result<Vec<T>, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("{column}: {:?} error at column {} of the JSON", error.classify(), error.column())
    })
}

/// A duration from a database's number of microseconds; none is negative, whatever its clock did.
pub(crate) fn micros(micros: i64) -> Duration {
    Duration::from_micros(micros.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(keys: &str, events: &str) -> Raw {
        let (keys, events) = (list("keys", keys), Ok(events.to_owned()));
        Raw { id: RowId::new(), attempts: 1, age: Duration::ZERO, keys, events }
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said_without_its_contents() {
        for (keys, events, column) in [
            (r#"["user:alice",5]"#, "[]", "keys"),
            (r#"{"user:alice":1}"#, "[]", "keys"),
            (r#"["user:alice""#, "[]", "keys"),
            ("[]", r#"["alice"]"#, "events"),
            ("[]", r#"[{"id":"alice"}]"#, "events"),
        ] {
            let error = raw(keys, events).into_claimed("ns").row.unwrap_err();
            assert!(error.starts_with(column), "{error}");
            assert!(!error.contains("alice"), "{error}");
        }
    }

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let event = r#"[{"id":"1","topic":"users","payload":"{}"}]"#;
        let claimed = raw(r#"["user:1","user:2"]"#, event).into_claimed("ns");
        let row = claimed.row.unwrap();
        assert_eq!((row.namespace.as_str(), row.id), ("ns", claimed.id));
        assert_eq!(row.keys, ["user:1", "user:2"]);
        assert_eq!((row.events[0].topic.as_str(), &row.events[0].key), ("users", &None));
    }
}
