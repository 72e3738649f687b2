//! What a transaction has recorded so far.

use std::collections::HashSet;

use super::outbox::{OutboxRow, RowId, StoredEvent};
use crate::{events::Event, key::Key};

/// The keys and events of one transaction, or of one savepoint in it.
#[derive(Debug, Default)]
pub(super) struct Records {
    keys: Vec<Key>,
    events: Vec<StoredEvent>,
    #[cfg(feature = "bloom")]
    pub(super) adds: crate::bloom::Adds,
    /// A savepoint was not set, or not released, to the end: what belongs to the transaction is not
    /// known any more, not even whether there is one.
    in_doubt: bool,
}

impl Records {
    pub(super) fn add(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.keys.extend(keys);
    }

    pub(super) fn publish(&mut self, event: Event) {
        self.events.push(event.into_stored());
    }

    /// Takes over what a savepoint recorded, once it is part of the transaction.
    pub(super) fn append(&mut self, mut inner: Self) {
        self.keys.append(&mut inner.keys);
        self.events.append(&mut inner.events);
        #[cfg(feature = "bloom")]
        self.adds.append(inner.adds);
    }

    /// From now on the transaction cannot be committed, until that is taken back.
    pub(super) fn set_in_doubt(&mut self, in_doubt: bool) {
        self.in_doubt = in_doubt;
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Whether what was recorded belongs to what would be committed.
    pub(super) fn check(&self) -> sqlx::Result<()> {
        if self.in_doubt {
            let message = "a savepoint of this transaction was dropped, or failed, in mid-way; begin the transaction anew";
            return Err(sqlx::Error::Protocol(message.to_owned()));
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.events.is_empty()
    }

    /// The row that is to be written, and each key once.
    pub(super) fn into_row(self, namespace: &str) -> (OutboxRow, Vec<Key>) {
        let mut keys = self.keys;
        let mut seen = HashSet::with_capacity(keys.len());
        keys.retain(|key| seen.insert(key.clone()));
        let row = OutboxRow {
            id: RowId::new(),
            namespace: namespace.to_owned(),
            keys: keys.iter().map(|key| key.as_str().to_owned()).collect(),
            events: self.events,
        };
        (row, keys)
    }
}
