//! A look at all keys of a batch in one write, before their flights are joined.

use super::{
    batch::{Batch, Given},
    part::Part,
};
use crate::{
    cache::{Status, look::may_look},
    key::Key,
    store::{Found, MOST_KEYS, StoreError},
};

impl Batch {
    /// Takes what is there, while most keys are, and joins the flights of the rest.
    ///
    /// # Cancel safety
    ///
    /// It leaves nothing behind.
    pub(super) async fn look(&mut self) {
        let unseen = std::mem::take(&mut self.unseen);
        let mut found = Vec::new();
        if self.ask.codec.is_some() && self.engine.store.expects_hit() {
            for chunk in unseen.chunks(MOST_KEYS) {
                self.look_at(chunk, &mut found).await;
            }
        }
        found.resize_with(unseen.len(), || Ok(None));
        for ((place, key), found) in unseen.into_iter().zip(found) {
            match found {
                Ok(Some(Found { answer, .. })) => {
                    self.given.push(Given { place, answer, status: Status::Hit });
                }
                // A probe could wait for as long once more.
                Err(StoreError::Unknown) => {
                    let part = Part::join(&self.engine, place, key, self.ask);
                    self.parts.push(part.past(StoreError::Unknown.reason()));
                }
                Ok(None) | Err(_) => {
                    self.parts.push(Part::join(&self.engine, place, key, self.ask));
                }
            }
        }
    }

    async fn look_at(
        &self,
        chunk: &[(usize, Key)],
        found: &mut Vec<Result<Option<Found>, StoreError>>,
    ) {
        let engine = &self.engine;
        let may = |key: &Key| may_look(engine, key).then(|| engine.looks.take(key)).flatten();
        let seats: Vec<_> = chunk.iter().map(|(_, key)| may(key)).collect();
        let seen = chunk.iter().zip(&seats).filter(|(_, seat)| seat.is_some());
        let keys: Vec<_> = seen.map(|((_, key), _)| key).collect();
        let mut read = engine.fetch_many(&keys, &self.ask).await.into_iter();
        found.extend(seats.iter().map(|seat| match seat {
            Some(_) => read.next().map_or(Ok(None), usable),
            None => Ok(None),
        }));
    }
}

/// What can be served without asking further.
fn usable(read: Result<Option<Found>, StoreError>) -> Result<Option<Found>, StoreError> {
    read.map(|found| found.filter(|found| !found.is_stale() && found.stamps.is_none()))
}
