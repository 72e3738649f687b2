//! What a store does for reads that name tags (protocol §4.11).
//!
//! Generations are read before a load, in the write of its probe, and again after its fill, in the write of that. An
//! entry is good while the generations it is stamped with are there.

use super::{Fill, Found, Probe, Store, StoreError, remote};
#[cfg(feature = "redis")]
use super::{kept::with_left, redis::Redis};
#[cfg(feature = "redis")]
use crate::redis::{Generation, Stamped, Wanted};
use crate::{
    cache::Ask,
    entry::{Id, Stamp, Stamps, Standing, standing},
    key::{self, Tag},
};

/// What became of a value that was loaded under tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// Something else is there by now.
    Refused,
    Accepted,
    /// It was put there, but a tag was invalidated, or its generation lost, since the load began.
    Outdated,
}

impl From<bool> for Filled {
    fn from(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

impl Store {
    /// [`probe`](Self::probe) by a reader that names tags, and their generations when it was sent; with how long the
    /// entry has `left` if that is asked for.
    pub(crate) async fn probe_under(
        &self,
        key: &str,
        id: Id,
        ask: &Ask,
        tags: &[Tag],
        left: bool,
    ) -> Result<(Probe, Stamps), StoreError> {
        remote!(self, store => {
            let (probe, stamps) = store.probe_under(key, id, ask, tags, left).await?;
            Ok((judged(probe, &stamps), stamps))
        }, embedded => Err(StoreError::Down))
    }

    /// [`read`](Self::read) by a reader that names tags, and their generations; with how long the entry has `left` if
    /// that is asked for.
    pub(crate) async fn read_under(
        &self,
        key: &str,
        ask: &Ask,
        tags: &[Tag],
        left: bool,
    ) -> Result<(Option<Found>, Stamps), StoreError> {
        let with = if left { With::Left } else { With::Nothing };
        remote!(self, store => {
            let (found, stamps) = store.read_under(key, ask, tags, with).await?;
            Ok((found.filter(|found| is_current(found, &stamps)), stamps))
        }, embedded => Err(StoreError::Down))
    }

    /// [`look`](Self::look) by a reader that names tags.
    pub(crate) async fn look_under(
        &self,
        key: &str,
        ask: &Ask,
        tags: &[Tag],
    ) -> Result<Option<Found>, StoreError> {
        remote!(self, store => {
            let (found, stamps) = store.read_under(key, ask, tags, With::Get).await?;
            Ok(found.filter(|found| is_current(found, &stamps)))
        }, embedded => Ok(None))
    }

    /// The generations of these tags; each has one from now on.
    pub(crate) async fn stamps(&self, ask: &Ask, tags: &[Tag]) -> Result<Stamps, StoreError> {
        remote!(self, store => store.stamps(ask, tags).await, embedded => Err(StoreError::Down))
    }

    /// [`fill`](Self::fill) by one that names these tags, or none, and serves nobody else with the value.
    pub(crate) async fn fill_by(
        &self,
        key: &str,
        fill: Fill<'_>,
        tags: &[Tag],
    ) -> Result<bool, StoreError> {
        if tags.is_empty() {
            return self.fill(key, fill).await;
        }
        let filled = Box::pin(self.fill_under(key, fill, tags)).await?;
        Ok(filled != Filled::Refused)
    }

    /// [`fill`](Self::fill) with a value that was loaded under tags, which it is stamped with.
    pub(crate) async fn fill_under(
        &self,
        key: &str,
        fill: Fill<'_>,
        tags: &[Tag],
    ) -> Result<Filled, StoreError> {
        let written = fill.stamps.clone();
        remote!(self, store => {
            let (filled, now) = Box::pin(store.fill_under(key, fill, tags)).await?;
            Ok(match standing(written.as_deref(), &now) {
                _ if !filled => Filled::Refused,
                Standing::Current => Filled::Accepted,
                Standing::Outdated | Standing::Foreign => Filled::Outdated,
            })
        }, embedded => {
            let _ = (key, tags, written);
            Err(StoreError::Down)
        })
    }
}

/// How an entry is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum With {
    Nothing,
    /// And how long it has left.
    Left,
    /// By a command that a server answers which takes no writes.
    Get,
}

/// Each key, and after it that of the generation which it has if somebody uses it as a tag.
pub(super) struct WithGenerations<'a>(Vec<(&'a str, Option<String>)>);

impl<'a> WithGenerations<'a> {
    pub(super) fn new(keys: &[&'a str]) -> Self {
        Self(keys.iter().map(|key| (*key, key::generation_of(key))).collect())
    }

    pub(super) fn texts(&self) -> Vec<&str> {
        let mut texts = Vec::with_capacity(2 * self.0.len());
        for (key, generation) in &self.0 {
            texts.push(*key);
            texts.extend(generation.as_deref());
        }
        texts
    }

    /// What became of each key: no better than what became of its generation.
    pub(super) fn outcomes(
        &self,
        results: Vec<Result<(), StoreError>>,
    ) -> Vec<Result<(), StoreError>> {
        // None may be lost for want of an answer.
        let mut results = results.into_iter().chain(std::iter::repeat(Err(StoreError::Unknown)));
        let mut next = || results.next().unwrap_or(Err(StoreError::Unknown));
        let outcome = |(_, generation): &(&str, Option<String>)| {
            let key = next();
            if generation.is_some() { key.and(next()) } else { key }
        };
        self.0.iter().map(outcome).collect()
    }
}

fn judged(probe: Probe, stamps: &[Stamp]) -> Probe {
    let Probe::Hit(found) = probe else { return probe };
    match standing(found.stamps.as_deref(), stamps) {
        Standing::Current => Probe::Hit(found),
        Standing::Outdated => Probe::Outdated(found.id),
        Standing::Foreign => Probe::Unusable(found.id),
    }
}

fn is_current(found: &Found, stamps: &[Stamp]) -> bool {
    standing(found.stamps.as_deref(), stamps) == Standing::Current
}

#[cfg(feature = "redis")]
impl Redis {
    async fn probe_under(
        &self,
        key: &str,
        id: Id,
        ask: &Ask,
        tags: &[Tag],
        left: bool,
    ) -> Result<(Probe, Stamps), StoreError> {
        let wanted = self.wanted(tags)?;
        let (probe, left_ms, generations) =
            self.store.probe_under(key, id, &wanted, lasting_ms(ask), left).await?;
        let stamps = stamps(tags, generations.iter().map(Some));
        let probe = self.understand_with_left(probe, left_ms, ask);
        self.trend.note(matches!(&probe, Probe::Hit(found) if is_current(found, &stamps)));
        Ok((probe, stamps))
    }

    async fn read_under(
        &self,
        key: &str,
        ask: &Ask,
        tags: &[Tag],
        with: With,
    ) -> Result<(Option<Found>, Stamps), StoreError> {
        let texts: Vec<_> = tags.iter().map(|tag| tag.as_ref().text).collect();
        let (get, left) = (with == With::Get, with == With::Left);
        let (bytes, left_ms, generations) = self.store.read_under(key, &texts, get, left).await?;
        let stamps = stamps(tags, generations.iter().map(Generation::as_ref));
        let found = bytes.and_then(|bytes| {
            let found = self.found_in(&bytes, ask)?;
            Some(with_left(found, left_ms, bytes.len()))
        });
        if !get {
            self.trend.note(found.as_ref().is_some_and(|found| is_current(found, &stamps)));
        }
        Ok((found, stamps))
    }

    async fn stamps(&self, ask: &Ask, tags: &[Tag]) -> Result<Stamps, StoreError> {
        let wanted = self.wanted(tags)?;
        let generations = self.store.generations(&wanted, lasting_ms(ask)).await?;
        Ok(stamps(tags, generations.iter().map(Some)))
    }

    async fn fill_under(
        &self,
        key: &str,
        fill: Fill<'_>,
        tags: &[Tag],
    ) -> Result<(bool, Stamps), StoreError> {
        let (entry, expected, lease) = self.to_write(&fill)?;
        let texts: Vec<_> = tags.iter().map(|tag| tag.as_ref().text).collect();
        let px = fill.lifetime.kept_ms;
        let stamped = Stamped { expected, lease, entry: &entry, px, tags: &texts };
        let (filled, generations) = self.store.cas_fill_under(key, stamped).await?;
        Ok((filled, stamps(tags, generations.iter().map(Generation::as_ref))))
    }

    /// Ids are never used twice, so what is made of one is no generation of before.
    fn wanted<'a>(&self, tags: &'a [Tag]) -> Result<Vec<Wanted<'a>>, StoreError> {
        let wanted = |tag: &'a Tag| {
            let id = self.fresh_id()?;
            let fresh = key::fnv1a(id.as_bytes()).max(1).to_be_bytes();
            Some(Wanted { key: tag.as_ref().text, fresh })
        };
        tags.iter().map(wanted).collect::<Option<_>>().ok_or(StoreError::Down)
    }
}

/// Long enough for what is stamped with it, which is looked after when it is.
#[cfg(feature = "redis")]
fn lasting_ms(ask: &Ask) -> u64 {
    ask.policy.longest_ms().saturating_mul(2)
}

#[cfg(feature = "redis")]
fn stamps<'a>(tags: &[Tag], generations: impl Iterator<Item = Option<&'a Vec<u8>>>) -> Stamps {
    let stamp = |(tag, bytes): (&Tag, Option<&Vec<u8>>)| Stamp {
        tag: tag.name(),
        generation: bytes.map_or(0, |bytes| generation(bytes)),
    };
    tags.iter().zip(generations).map(stamp).collect()
}

/// The generation that some bytes are. What is not ours is one as well: it changes or goes, and so does what depends
/// on it.
#[cfg(feature = "redis")]
fn generation(bytes: &[u8]) -> u64 {
    let generation = bytes.try_into().map_or_else(|_| key::fnv1a(bytes), u64::from_be_bytes);
    generation.max(1)
}
