//! The user's function, without its types, and what it is given.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::Key;
use crate::events::{Failure, Fault, guarded};
use crate::redis::Entry;

/// A value to be written to the database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Write<T> {
    /// The key it was accepted for.
    pub key: Key,
    /// The last value that was accepted for it.
    pub value: T,
    /// Grows with each value that is accepted: a row that keeps it can refuse an older one.
    pub version: i64,
}

/// A value that waits, and the entries that it settles.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) key: Key,
    pub(super) payload: Vec<u8>,
    pub(super) version: i64,
    /// Oldest first: if not all of them are taken off, the newest must be left.
    pub(super) entries: Vec<String>,
}

type Running = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

type Run = dyn Fn(&[Waiting]) -> Running + Send + Sync;

/// What writes values.
pub(super) struct Flush {
    run: Box<Run>,
    check: fn(&[u8]) -> Result<(), String>,
}

impl Flush {
    pub(super) fn new<T, E, F, Fut>(flush: F) -> Flush
    where
        T: DeserializeOwned + Send + 'static,
        E: Into<Fault> + 'static,
        F: Fn(Vec<Write<T>>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        let flush = Arc::new(flush);
        let run = move |waiting: &[Waiting]| -> Running {
            let writes: Result<Vec<_>, _> = waiting.iter().map(write::<T>).collect();
            let flush = Arc::clone(&flush);
            Box::pin(async move {
                let writes = writes.map_err(Failure::Undecodable)?;
                flush(writes).await.map_err(|error| Failure::of(&error.into()))
            })
        };
        Flush { run: Box::new(run), check: |payload| decode::<T>(payload).map(drop) }
    }

    pub(super) async fn call(&self, waiting: &[Waiting]) -> Result<(), Failure> {
        guarded((self.run)(waiting)).await
    }

    /// The last value of each key, in the order of those; and the entries that are no values, with the reason.
    pub(super) fn coalesce(&self, entries: Vec<Entry>) -> (Vec<Waiting>, Vec<(Entry, String)>) {
        let (mut last, mut odd) = (HashMap::<Key, Waiting>::new(), Vec::new());
        for entry in entries {
            match self.waiting(&entry) {
                Ok(mut waiting) => {
                    if let Some(mut older) = last.remove(&waiting.key) {
                        older.entries.append(&mut waiting.entries);
                        waiting.entries = older.entries;
                    }
                    last.insert(waiting.key.clone(), waiting);
                }
                Err(reason) => odd.push((entry, reason)),
            }
        }
        let mut waiting: Vec<_> = last.into_values().collect();
        waiting.sort_by_key(|waiting| waiting.version);
        (waiting, odd)
    }

    fn waiting(&self, entry: &Entry) -> Result<Waiting, String> {
        let fields = entry.fields.as_ref().ok_or("the entry has no fields")?;
        let key = fields.text("key").and_then(Key::from_text).ok_or("the entry has no key")?;
        let payload = fields.bytes("payload").unwrap_or_default().to_vec();
        (self.check)(&payload)?;
        Ok(Waiting { key, payload, version: entry.place(), entries: vec![entry.id.clone()] })
    }
}

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flush(..)")
    }
}

fn write<T: DeserializeOwned>(waiting: &Waiting) -> Result<Write<T>, String> {
    let value = decode(&waiting.payload)?;
    Ok(Write { key: waiting.key.clone(), value, version: waiting.version })
}

fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, String> {
    serde_json::from_slice(payload)
        .map_err(|error| format!("the value is no `{}`: {error}", std::any::type_name::<T>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::Fields;

    fn entry(id: &str, key: &str, payload: &str) -> Entry {
        let mut fields = Fields::default();
        fields.set("key", key);
        fields.set("payload", payload);
        Entry { id: id.to_owned(), fields: Some(fields) }
    }

    #[test]
    fn last_value_of_each_key_is_written_and_settles_the_older_ones() {
        let flush = Flush::new(|_: Vec<Write<u64>>| async { Ok::<_, std::io::Error>(()) });
        let entries = vec![
            entry("1-0", "a", "1"),
            entry("1-1", "b", "2"),
            entry("2-0", "a", "3"),
            entry("2-1", "a", "no number"),
        ];
        let (waiting, odd) = flush.coalesce(entries);
        let payloads: Vec<_> = waiting.iter().map(|waiting| waiting.payload.as_slice()).collect();
        assert_eq!(payloads, [b"2", b"3"]);
        assert_eq!(waiting[1].entries, ["1-0", "2-0"]);
        assert_eq!(odd.len(), 1);
        assert!(waiting[0].version < waiting[1].version);
    }
}
