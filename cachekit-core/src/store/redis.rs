//! Values in Redis: entries to answers and back.

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{Expected, Fill, Found, Hold, Probe, StoreError, trend::Trend};
use crate::{
    __private::Codec,
    cache::{Answer, Ask},
    codec::Format,
    entry::{self, Entry, Id, Meta, Parsed},
    redis::{self, RedisStore},
};

/// A Redis and how values are written there.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) store: RedisStore,
    pub(crate) format: Format,
    pub(crate) trend: Trend,
    /// Values of at least this many bytes are compressed.
    #[cfg(feature = "compress")]
    pub(crate) compress_above: usize,
}

thread_local! {
    /// The schema number that was asked for last: most hits of a thread in a row are of one type.
    static SCHEMA: Cell<(Option<(&'static str, Format)>, u32)> = const { Cell::new((None, 0)) };
}

/// What the bytes of a key mean to a caller.
enum Opened {
    Found(Found),
    Unusable(Id),
    Lease(Id),
    Inhibited,
    Foreign,
}

impl Redis {
    pub(crate) fn fresh_id(&self) -> Option<Id> {
        self.store.fresh_id()
    }

    pub(crate) fn expects_hit(&self) -> bool {
        self.trend.is_up()
    }

    pub(crate) async fn read(&self, key: &str, ask: &Ask) -> Result<Option<Found>, StoreError> {
        let found = self.store.read(key).await;
        let found = found.map(|found| found.and_then(|bytes| self.usable(&bytes, ask)));
        // A server that refuses this command is asked the less for it.
        self.trend.note(matches!(found, Ok(Some(_))));
        Ok(found?)
    }

    pub(crate) async fn probe(&self, key: &str, id: Id, ask: &Ask) -> Result<Probe, StoreError> {
        let found = self.store.probe(key, id).await?;
        let found = untagged(self.understand(found, ask));
        self.trend.note(matches!(found, Probe::Hit(_)));
        Ok(found)
    }

    /// What the reader takes the bytes for, whatever they are stamped with.
    pub(super) fn understand(&self, probe: redis::Probe, ask: &Ask) -> Probe {
        match probe {
            redis::Probe::Granted => Probe::Granted,
            redis::Probe::Lease(found) => Probe::Lease(found),
            redis::Probe::Entry(bytes) => match self.open(&bytes, ask) {
                Opened::Found(found) => Probe::Hit(found),
                Opened::Unusable(id) => Probe::Unusable(id),
                Opened::Lease(id) => Probe::Lease(id),
                Opened::Inhibited => Probe::Inhibited,
                Opened::Foreign => Probe::Foreign,
            },
            redis::Probe::Tombstone(id) | redis::Probe::Corrupt(Some(id)) => Probe::Unusable(id),
            redis::Probe::Inhibited => Probe::Inhibited,
            redis::Probe::Corrupt(None) | redis::Probe::Foreign => Probe::Foreign,
        }
    }

    pub(crate) async fn seen(&self, key: &str, id: Id) -> Result<Option<Expected>, StoreError> {
        Ok(match self.store.probe(key, id).await? {
            redis::Probe::Granted => Some(Expected::Lease(id)),
            redis::Probe::Lease(found) if found == id => Some(Expected::Lease(id)),
            redis::Probe::Entry(bytes) => match Entry::parse(&bytes) {
                Parsed::Value { id, .. } | Parsed::Negative { id, .. } => Some(Expected::Entry(id)),
                Parsed::Corrupt { id } => id.map(Expected::Entry),
                _ => None,
            },
            redis::Probe::Tombstone(id) | redis::Probe::Corrupt(Some(id)) => {
                Some(Expected::Entry(id))
            }
            _ => None,
        })
    }

    pub(crate) async fn claim(
        &self,
        key: &str,
        id: Id,
        px: u64,
    ) -> Result<Option<Expected>, StoreError> {
        Ok(match self.store.claim(key, id, px).await? {
            redis::Probe::Granted => Some(Expected::Entry(id)),
            redis::Probe::Lease(found) | redis::Probe::Tombstone(found) => {
                Some(Expected::Entry(found))
            }
            redis::Probe::Entry(bytes) => match Entry::parse(&bytes) {
                Parsed::Value { id, .. } | Parsed::Negative { id, .. } => Some(Expected::Entry(id)),
                Parsed::Corrupt { id } => id.map(Expected::Entry),
                _ => None,
            },
            redis::Probe::Corrupt(found) => found.map(Expected::Entry),
            redis::Probe::Inhibited | redis::Probe::Foreign => None,
        })
    }

    pub(crate) async fn look(&self, key: &str, ask: &Ask) -> Result<Option<Found>, StoreError> {
        let found = self.store.get(key).await?;
        Ok(found.and_then(|bytes| self.usable(&bytes, ask)))
    }

    pub(crate) async fn fill(&self, key: &str, fill: Fill<'_>) -> Result<bool, StoreError> {
        let (entry, expected, lease) = self.to_write(&fill)?;
        Ok(self.store.cas_fill(key, expected, lease, &entry, fill.lifetime.kept_ms).await?)
    }

    /// The bytes of an entry, the id that it may replace, and whether only as a lease.
    pub(super) fn to_write(&self, fill: &Fill<'_>) -> Result<(Vec<u8>, Id, bool), StoreError> {
        let id = self.fresh_id().ok_or(StoreError::Down)?;
        let entry = self.encode(id, fill)?;
        Ok(match fill.expected {
            Expected::Lease(id) => (entry, id, true),
            Expected::Entry(id) => (entry, id, false),
        })
    }

    pub(crate) async fn replace(&self, key: &str, seen: Id, fresh: Id) -> Result<bool, StoreError> {
        Ok(self.store.cas_lease(key, seen, fresh).await?)
    }

    pub(crate) async fn mark(&self, key: &str, id: Id, px: u64) -> Result<bool, StoreError> {
        Ok(self.store.mark(key, id, px).await?)
    }

    pub(crate) fn unmark(&self, key: &str, id: Id) {
        self.store.unmark(key, id);
    }

    pub(crate) async fn remove_foreign(&self, key: &str) -> Result<(), StoreError> {
        self.store.unlink_foreign(key).await?;
        Ok(())
    }

    pub(crate) async fn unlink(&self, keys: &[&str]) -> Vec<Result<(), StoreError>> {
        let results = self.store.unlink(keys).await;
        results.into_iter().map(|result| result.map_err(StoreError::from)).collect()
    }

    pub(crate) async fn sweep(&self) -> Result<(), StoreError> {
        self.store.sweep().await?;
        Ok(())
    }

    #[cfg(feature = "events")]
    pub(crate) async fn publish(
        &self,
        event: &crate::events::StoredEvent,
    ) -> Result<(), StoreError> {
        let stream = self.store.stream(redis::Kind::Events, &event.topic);
        let stream = stream.map_err(|_| StoreError::Refused)?;
        let fields = crate::events::fields(event);
        stream.add(&fields, crate::events::DEFAULT_RETENTION).await?;
        Ok(())
    }

    pub(crate) fn is_up(&self) -> bool {
        self.store.is_up()
    }

    pub(crate) fn changed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.store.changed()
    }

    pub(crate) async fn shutdown(&self) {
        self.store.shutdown().await;
    }

    pub(crate) fn give_up(&self, key: &str, id: Id) {
        self.store.give_up(key, id);
    }

    pub(crate) fn hold(&self, key: &str, id: Id) -> Hold {
        Hold::Redis { _hold: self.store.hold(key, id) }
    }

    pub(super) fn usable(&self, bytes: &[u8], ask: &Ask) -> Option<Found> {
        self.found_in(bytes, ask).filter(|found| found.stamps.is_none())
    }

    /// The entry that the bytes are, whatever it is stamped with.
    pub(super) fn found_in(&self, bytes: &[u8], ask: &Ask) -> Option<Found> {
        match self.open(bytes, ask) {
            Opened::Found(found) => Some(found),
            _ => None,
        }
    }

    /// Takes an entry apart. Whatever this process cannot use is a miss, never an error.
    fn open(&self, bytes: &[u8], ask: &Ask) -> Opened {
        match Entry::parse(bytes) {
            Parsed::Value {
                id,
                flags,
                schema,
                stamps,
                payload,
                as_of,
                soft_ttl,
                load_cost,
                ..
            } => self
                .decode(ask, flags, schema, payload)
                .map(|answer| found(answer, id, flags, (as_of, soft_ttl), load_cost))
                .map(|found| stamped(found, stamps))
                .map_or(Opened::Unusable(id), Opened::Found),
            Parsed::Negative { id, flags, schema, stamps, as_of, soft_ttl, load_cost, .. } => {
                let known = ask.codec.is_some_and(|codec| self.schema(codec) == schema);
                if known && ask.optional {
                    let times = (as_of, soft_ttl);
                    let found = found(Answer::Absent, id, flags, times, load_cost);
                    Opened::Found(stamped(found, stamps))
                } else {
                    Opened::Unusable(id)
                }
            }
            Parsed::Lease { id, .. } => Opened::Lease(id),
            Parsed::Tombstone { id, .. } | Parsed::Corrupt { id: Some(id) } => Opened::Unusable(id),
            Parsed::Inhibit { .. } => Opened::Inhibited,
            Parsed::Corrupt { id: None } | Parsed::Foreign => Opened::Foreign,
        }
    }

    fn decode(&self, ask: &Ask, flags: u8, schema: u32, payload: &[u8]) -> Option<Answer> {
        let codec = ask.codec?;
        if self.schema(codec) != schema {
            return None;
        }
        if flags & entry::flags::COMPRESSED != 0 {
            return self.decode_compressed(codec, payload);
        }
        (codec.decode)(payload, self.format).ok().map(Answer::Value)
    }

    #[cfg(feature = "compress")]
    fn decode_compressed(&self, codec: &Codec, payload: &[u8]) -> Option<Answer> {
        let payload = crate::codec::compress::decompress(payload).ok()?;
        (codec.decode)(&payload, self.format).ok().map(Answer::Value)
    }

    /// Another process compresses; this one was built without.
    #[cfg(not(feature = "compress"))]
    fn decode_compressed(&self, _: &Codec, _: &[u8]) -> Option<Answer> {
        None
    }

    pub(super) fn encode(&self, id: Id, fill: &Fill<'_>) -> Result<Vec<u8>, StoreError> {
        let meta = Meta {
            id,
            floor: 0,
            flags: if fill.local { 0 } else { entry::flags::NO_L1 },
            version: 0,
            as_of: wall_clock_ms(),
            soft_ttl: fill.lifetime.soft_ttl_ms(),
            load_cost: fill.load_cost_ms,
            schema: self.schema(fill.codec),
            stamps: fill.stamps.as_deref().unwrap_or_default(),
        };
        let Answer::Value(value) = fill.answer else { return Ok(entry::encode_negative(&meta)) };
        #[cfg(feature = "compress")]
        {
            let mut payload = Vec::with_capacity(256);
            self.encode_payload(fill, value.as_ref(), &mut payload)?;
            if payload.len() >= self.compress_above
                && let Some(compressed) = crate::codec::compress::compress(&payload)
            {
                let meta = Meta { flags: meta.flags | entry::flags::COMPRESSED, ..meta };
                return Ok(entry::encode_value(&meta, &compressed));
            }
            Ok(entry::encode_value(&meta, &payload))
        }
        #[cfg(not(feature = "compress"))]
        {
            let mut entry = entry::EntryWriter::value(&meta, 256);
            self.encode_payload(fill, value.as_ref(), entry.payload())?;
            Ok(entry.finish())
        }
    }

    fn encode_payload(
        &self,
        fill: &Fill<'_>,
        value: &(dyn std::any::Any + Send + Sync),
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        (fill.codec.encode)(value, self.format, out).map_err(|error| {
            tracing::error!(%error, "a value cannot be cached");
            StoreError::Unencodable
        })
    }

    fn schema(&self, codec: &Codec) -> u32 {
        let of = ((codec.type_name)(), self.format);
        let (known, schema) = SCHEMA.get();
        // The very same text, not an equal one: that is not worth comparing.
        if known.is_some_and(|(name, format)| std::ptr::eq(name, of.0) && format == of.1) {
            return schema;
        }
        let schema = self.format.schema(of.0);
        SCHEMA.set((Some(of), schema));
        schema
    }
}

/// Whoever names no tags cannot tell whether an entry that has some is good.
pub(super) fn untagged(probe: Probe) -> Probe {
    match probe {
        Probe::Hit(found) if found.stamps.is_some() => Probe::Unusable(found.id),
        probe => probe,
    }
}

impl From<redis::StoreError> for StoreError {
    fn from(error: redis::StoreError) -> Self {
        match error {
            redis::StoreError::Down => Self::Down,
            redis::StoreError::OutOfMemory => Self::OutOfMemory,
            error if error.outcome_unknown() => Self::Unknown,
            _ => Self::Refused,
        }
    }
}

fn found(answer: Answer, id: Id, flags: u8, times: (u64, u32), load_cost_ms: u32) -> Found {
    let (as_of, soft_ttl_ms) = times;
    let fresh_for_ms = (soft_ttl_ms > 0).then(|| {
        let until = as_of.saturating_add(u64::from(soft_ttl_ms));
        let until = i64::try_from(until).unwrap_or(i64::MAX);
        until.saturating_sub(i64::try_from(wall_clock_ms()).unwrap_or(i64::MAX))
    });
    let local = flags & entry::flags::NO_L1 == 0;
    let (left_ms, size, stamps) = (None, 0, None);
    Found { answer, id, fresh_for_ms, soft_ttl_ms, load_cost_ms, stamps, local, left_ms, size }
}

fn stamped(found: Found, stamps: &[u8]) -> Found {
    match stamps.is_empty() {
        true => found,
        false => Found { stamps: entry::stamps(stamps), ..found },
    }
}

/// For people who look at entries, and for soft expiry; nothing that is promised is decided by it.
fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}
