//! A look into the shared tier before a flight is joined: of a key that is there a read needs no more.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use super::{Age, Answer, Ask, Attempt, Renewal, Status, Tags, Use};
use crate::{
    engine::Engine,
    key::{Key, Tag},
    mutant::{self, Mutant},
    store::{Found, StoreError},
};

/// Looks of so many callers at one key, or at some that share its place; the others fly together.
const MOST: u8 = 4;
/// Places for keys: enough that a thousand callers rarely share one by chance.
const PLACES: usize = 1024;

/// What a look found, and what is to be done behind it.
pub(super) type Seen = (Answer, Status, Option<Box<Renewal>>);

/// How a caller goes on that found nothing. The attempt itself would make the future of every hit as large.
#[derive(Clone, Copy, Debug)]
pub(super) enum Miss {
    /// In a flight.
    Join,
    /// In a flight, past the cache should it lead.
    Past(&'static str),
}

/// A caller that looks, while most keys of its cache are there, before it joins a flight.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) engine: Arc<Engine>,
    pub(super) key: Key,
    ask: Ask,
    tags: Tags,
}

impl Look {
    /// Whether a look is likely to find something.
    pub(super) fn is_worth_it(engine: &Engine, key: &Key, ask: &Ask) -> bool {
        ask.codec.is_some() && (engine.store.expects_hit() || is_loaded_anew(engine, key, ask))
    }

    pub(super) fn new(engine: &Arc<Engine>, key: Key, ask: Ask, tags: Tags) -> Self {
        Self { engine: engine.clone(), key, ask, tags }
    }

    /// What is under the key; or how to join a flight, which finds out about whatever is no hit.
    ///
    /// # Cancel safety
    ///
    /// It leaves nothing behind.
    pub(super) async fn look(&self) -> Result<Seen, Miss> {
        let found = match self.engine.looks.take(&self.key) {
            Some(_place) => self.read().await,
            // Those who fly would wait for a load.
            None if is_loaded_anew(&self.engine, &self.key, &self.ask) => self.read().await,
            None => Ok(None),
        };
        match found {
            Ok(Some(found)) if found.fresh_for_ms.is_none() => {
                Ok((found.answer, Status::Hit, None))
            }
            Ok(Some(found)) => self.aged(found).ok_or(Miss::Join),
            // A probe could wait for as long once more.
            Err(StoreError::Unknown) => Err(Miss::Past(StoreError::Unknown.reason())),
            Ok(_) | Err(_) => Err(Miss::Join),
        }
    }

    /// What is under the key, if it is an answer at its age.
    fn aged(&self, found: Found) -> Option<Seen> {
        let (engine, key, age) = (&self.engine, &self.key, Age::of(&found));
        match Use::of(engine, &key.as_ref(), &self.ask.policy.of(&found.answer), &age) {
            Use::Answer(status) => Some((found.answer, status, None)),
            Use::Renew(status) => {
                let renewal =
                    Renewal::begin(engine, key, (&self.ask, &self.tags), age, &found.answer);
                Some((found.answer, status, renewal))
            }
            Use::Load { .. } => None,
        }
    }

    async fn read(&self) -> Result<Option<Found>, StoreError> {
        if !may_look(&self.engine, &self.key) {
            return Ok(None);
        }
        match &self.tags {
            None => self.engine.fetch(&self.key, &self.ask).await,
            Some(tags) => Box::pin(self.read_under(tags)).await,
        }
    }

    #[cfg(any(feature = "redis", shuttle))]
    async fn read_under(&self, tags: &[Tag]) -> Result<Option<Found>, StoreError> {
        if self.engine.barred_tags(tags).is_some() {
            return Ok(None);
        }
        self.engine.fetch_under(&self.key, &self.ask, tags).await
    }

    /// Nothing is looked for where there is no shared tier.
    #[cfg(not(any(feature = "redis", shuttle)))]
    async fn read_under(&self, _: &[Tag]) -> Result<Option<Found>, StoreError> {
        Ok(None)
    }

    /// Joins a flight after a look in vain.
    pub(super) fn join(&self, miss: Miss) -> Attempt {
        let attempt = Attempt::new(&self.engine, self.key.clone(), self.ask, self.tags.clone());
        match miss {
            Miss::Join => attempt,
            Miss::Past(reason) => attempt.past(reason),
        }
    }
}

/// Whether what is under the key may be served as it is.
pub(super) fn may_look(engine: &Engine, key: &Key) -> bool {
    engine.barred(key).is_none() || mutant::on(Mutant::LookWhileDirty)
}

/// Whether somebody here loads what others may be answered with meanwhile.
fn is_loaded_anew(engine: &Engine, key: &Key, ask: &Ask) -> bool {
    ask.policy.revalidates(0) && engine.marks.is_taken(&key.as_ref(), engine.clock.now_ms())
}

/// How many callers look at each key: a crowd before one key is better served by flights.
#[derive(Debug)]
pub(crate) struct Looks {
    places: Box<[AtomicU8]>,
}

/// A caller's place among those that look. Dropping it leaves the place.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a AtomicU8);

impl Looks {
    pub(crate) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| AtomicU8::new(0)).collect() }
    }

    pub(super) fn take(&self, key: &Key) -> Option<Place<'_>> {
        let place = &self.places[key.as_ref().hash as usize % PLACES];
        let before = place.fetch_add(1, Ordering::Relaxed);
        let place = Place(place);
        (before < MOST).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_before_one_key_does_not_look_and_leaves_no_trace() {
        let looks = Looks::new();
        let key = crate::key::KeyBuf::new("crowd", |w| w.literal("crowd")).into_key();
        let places: Vec<_> = (0..MOST).map(|_| looks.take(&key)).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(looks.take(&key).is_none());
        drop(places);
        assert!(looks.take(&key).is_some());
    }
}
