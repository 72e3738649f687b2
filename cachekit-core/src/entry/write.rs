//! Writing leases, values and negatives.

use super::{
    Id, Stamp,
    header::{self, CRC_LEN, Header, LEASE_LEN, META_LEN, WORD_LEN, flags},
};

/// What a value or negative says of itself. The times are milliseconds and advisory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta<'a> {
    pub(crate) id: Id,
    pub(crate) floor: u64,
    pub(crate) flags: u8,
    pub(crate) version: u64,
    pub(crate) as_of: u64,
    pub(crate) soft_ttl: u32,
    pub(crate) load_cost: u32,
    pub(crate) schema: u32,
    /// 255 at most.
    pub(crate) stamps: &'a [Stamp],
}

/// The bytes of a lease; also what a fill from it compares with.
pub(crate) fn lease_bytes(id: Id) -> [u8; LEASE_LEN] {
    Header { kind: header::LEASE, flags: 0, id, floor: 0 }.to_bytes()
}

/// The bytes of a tombstone, which says that there was an entry or will be, and that nobody loads it.
pub(crate) fn tombstone_bytes(id: Id) -> [u8; LEASE_LEN] {
    Header { kind: header::TOMBSTONE, flags: 0, id, floor: 0 }.to_bytes()
}

/// The bytes of a value.
#[cfg(any(test, feature = "compress", feature = "testing"))]
pub(crate) fn encode_value(meta: &Meta<'_>, payload: &[u8]) -> Vec<u8> {
    let mut entry = EntryWriter::value(meta, payload.len());
    entry.payload().extend_from_slice(payload);
    entry.finish()
}

/// The bytes of a "not there".
pub(crate) fn encode_negative(meta: &Meta<'_>) -> Vec<u8> {
    EntryWriter::begin(header::NEGATIVE, meta, 0).finish()
}

/// Writes a value whose payload is encoded in place.
#[derive(Debug)]
pub(crate) struct EntryWriter {
    bytes: Vec<u8>,
}

impl EntryWriter {
    /// Begins a value; `expected` bytes of payload are made room for.
    pub(crate) fn value(meta: &Meta<'_>, expected: usize) -> EntryWriter {
        EntryWriter::begin(header::VALUE, meta, expected)
    }

    fn begin(kind: u8, meta: &Meta<'_>, expected: usize) -> EntryWriter {
        let Meta { id, floor, stamps, .. } = *meta;
        let tagged = !stamps.is_empty();
        let flags = meta.flags | if tagged { flags::TAGS } else { 0 };
        let expected = expected + stamps.len() * 2 * WORD_LEN + 1;
        let mut bytes = Vec::with_capacity(LEASE_LEN + META_LEN + expected + CRC_LEN);
        bytes.extend_from_slice(&Header { kind, flags, id, floor }.to_bytes());
        bytes.extend_from_slice(&meta.version.to_be_bytes());
        bytes.extend_from_slice(&meta.as_of.to_be_bytes());
        for word in [meta.soft_ttl, meta.load_cost, meta.schema] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        if tagged {
            bytes.push(u8::try_from(stamps.len()).unwrap_or(u8::MAX));
        }
        for Stamp { tag, generation } in stamps.iter().take(u8::MAX.into()) {
            bytes.extend_from_slice(&tag.to_be_bytes());
            bytes.extend_from_slice(&generation.to_be_bytes());
        }
        EntryWriter { bytes }
    }

    /// Where the payload is appended; what stands there already must stay.
    pub(crate) fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let crc = crc32c::crc32c(&self.bytes[LEASE_LEN..]);
        self.bytes.extend_from_slice(&crc.to_be_bytes());
        self.bytes
    }
}
