//! Ids that were added before their commit.

use std::{fmt, sync::Arc};

use super::filter::Filter;
use crate::{clock::Clock, error::Error, key::Key};

/// Ids that were added, and are to be confirmed once they are committed.
///
/// Dropped without that, they stay added.
#[must_use = "call `confirm` after the commit"]
pub struct Added {
    filter: Arc<Filter>,
    texts: Vec<Key>,
    at_ms: u64,
}

impl Added {
    pub(super) async fn add(filter: Arc<Filter>, texts: Vec<Key>) -> Result<Self, Error> {
        // Before it is sent: a rebuild that began after that has these ids, any other waits for `settle` from its own
        // beginning, which was earlier.
        let at_ms = Clock::boot().now_ms();
        let added = Self { filter, texts, at_ms };
        added.send().await?;
        Ok(added)
    }

    /// Adds the ids once more, if the commit took longer than [`settle`](super::BloomBuilder::settle) after they were
    /// added: a rebuild that began in the meantime may have missed them. Call it after the commit, and before the write
    /// returns. Most often it does nothing.
    ///
    /// # Errors
    ///
    /// As with [`Bloom::add`](super::Bloom::add). The row is committed, and may be taken for absent after a rebuild that
    /// was begun in that time: try again, or rebuild.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the ids may not have been added again.
    pub async fn confirm(self) -> Result<(), Error> {
        if self.is_in_time() {
            return Ok(());
        }
        self.send().await
    }

    fn is_in_time(&self) -> bool {
        let took_ms = Clock::boot().now_ms().saturating_sub(self.at_ms);
        u128::from(took_ms) < self.filter.settle.as_millis()
    }

    async fn send(&self) -> Result<(), Error> {
        let texts: Vec<_> = self.texts.iter().map(Key::as_str).collect();
        self.filter.add(&texts).await
    }
}

impl fmt::Debug for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Added").field("filter", &self.filter.name).finish_non_exhaustive()
    }
}

/// What a transaction is to add to filters before it commits.
#[cfg(feature = "_sqlx")]
#[derive(Default)]
pub(crate) struct Adds(Vec<(Arc<Filter>, Vec<Key>)>);

#[cfg(feature = "_sqlx")]
impl Adds {
    pub(crate) fn add(&mut self, asked: super::Asked) {
        let (filter, text) = asked.into_parts();
        match self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &filter)) {
            Some((_, texts)) => texts.push(text),
            None => self.0.push((filter, vec![text])),
        }
    }

    pub(crate) fn append(&mut self, mut inner: Self) {
        self.0.append(&mut inner.0);
    }

    /// Adds all of them.
    pub(crate) async fn send(self) -> Result<Vec<Added>, Error> {
        let mut added = Vec::with_capacity(self.0.len());
        for (filter, texts) in self.0 {
            added.push(Added::add(filter, texts).await?);
        }
        Ok(added)
    }
}

#[cfg(feature = "_sqlx")]
impl fmt::Debug for Adds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Adds").field(&self.0.len()).finish()
    }
}
