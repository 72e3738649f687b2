//! The layout's numbers, and the 28 bytes that never change.

use super::Id;

pub(super) const MAGIC: u8 = 0xCA;
pub(super) const FORMAT: u8 = 1;

pub(super) const VALUE: u8 = b'V';
pub(super) const NEGATIVE: u8 = b'N';
pub(super) const LEASE: u8 = b'L';
pub(super) const TOMBSTONE: u8 = b'T';
pub(super) const INHIBIT: u8 = b'I';

/// The length of a lease, and of the header that every kind begins with.
pub(crate) const LEASE_LEN: usize = 28;

/// The length of the fields that values and negatives add.
pub(super) const META_LEN: usize = 28;

pub(super) const CRC_LEN: usize = 4;

/// The length of a tag's hash and of its generation, each.
pub(super) const WORD_LEN: usize = 8;

/// The bits of a value's flags.
pub(crate) mod flags {
    /// The payload is an LZ4 block.
    pub(crate) const COMPRESSED: u8 = 1;
    /// Tags stand before the payload.
    pub(crate) const TAGS: u8 = 1 << 1;
    /// The version field is in use.
    pub(crate) const VERSION: u8 = 1 << 2;
    /// Not to be kept in process.
    pub(crate) const NO_L1: u8 = 1 << 3;
}

/// The first 28 bytes, taken apart.
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) id: Id,
    pub(super) floor: u64,
}

impl Header {
    /// Splits the header off; `None` if the bytes do not begin with one.
    pub(super) fn read(bytes: &[u8]) -> Option<(Header, &[u8])> {
        let (&[magic, format, kind, flags], rest) = bytes.split_first_chunk()?;
        let (&id, rest) = rest.split_first_chunk()?;
        let (&floor, rest) = rest.split_first_chunk()?;
        let header = Header { kind, flags, id: Id(id), floor: u64::from_be_bytes(floor) };
        (magic == MAGIC && format == FORMAT).then_some((header, rest))
    }

    pub(super) fn to_bytes(&self) -> [u8; LEASE_LEN] {
        let mut bytes = [0; LEASE_LEN];
        bytes[..4].copy_from_slice(&[MAGIC, FORMAT, self.kind, self.flags]);
        bytes[4..20].copy_from_slice(self.id.as_bytes());
        bytes[20..].copy_from_slice(&self.floor.to_be_bytes());
        bytes
    }
}
