//! Reading what a key holds.

use super::{
    Id, Stamp, Stamps,
    header::{self, CRC_LEN, Header, META_LEN, WORD_LEN, flags},
};

/// Reads the bytes of a key.
pub(crate) struct Entry;

/// What a key holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// Someone is loading the value.
    Lease { id: Id, floor: u64 },
    /// A value. `as_of`, `soft_ttl` and `load_cost` are milliseconds and advisory; `stamps` is for
    /// [`stamps`].
    Value {
        id: Id,
        floor: u64,
        flags: u8,
        version: u64,
        as_of: u64,
        soft_ttl: u32,
        load_cost: u32,
        schema: u32,
        stamps: &'a [u8],
        payload: &'a [u8],
    },
    /// "Not there"; the fields are a value's.
    Negative {
        id: Id,
        floor: u64,
        flags: u8,
        version: u64,
        as_of: u64,
        soft_ttl: u32,
        load_cost: u32,
        schema: u32,
        stamps: &'a [u8],
    },
    /// An invalidation that remembers a floor.
    Tombstone { id: Id, floor: u64 },
    /// Writers are at work: read the database, fill nothing. The writers' ids are not read.
    Inhibit { id: Id, floor: u64 },
    /// The header is ours, what follows is damaged or beyond this release: replace it by its id.
    Corrupt { id: Option<Id> },
    /// Not ours, or of a kind or format that this release does not know.
    Foreign,
}

impl Entry {
    /// Reads the bytes of a key; any bytes give an answer.
    pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
        let Some((header, rest)) = Header::read(bytes) else { return Parsed::Foreign };
        let Header { kind, id, floor, .. } = header;
        match kind {
            header::VALUE | header::NEGATIVE => {
                body(&header, rest).unwrap_or(Parsed::Corrupt { id: Some(id) })
            }
            // More or less than a header in one of these would fool the scripts' comparisons.
            header::LEASE | header::TOMBSTONE if !rest.is_empty() => {
                Parsed::Corrupt { id: Some(id) }
            }
            header::LEASE => Parsed::Lease { id, floor },
            header::TOMBSTONE => Parsed::Tombstone { id, floor },
            // Whatever its list looks like: an inhibit that is not honoured breaks a promise, one too many a hit.
            header::INHIBIT => Parsed::Inhibit { id, floor },
            _ => Parsed::Foreign,
        }
    }
}

/// The part of a value or negative after the header; `None` if it is damaged or not understood.
fn body<'a>(header: &Header, rest: &'a [u8]) -> Option<Parsed<'a>> {
    let (checked, crc) = rest.split_last_chunk::<CRC_LEN>()?;
    let (meta, payload) = checked.split_first_chunk::<META_LEN>()?;
    if crc32c::crc32c(checked) != u32::from_be_bytes(*crc) || !understood(header.flags) {
        return None;
    }
    let Header { id, floor, flags, .. } = *header;
    let (&version, meta) = meta.split_first_chunk()?;
    let (&as_of, meta) = meta.split_first_chunk()?;
    let [soft_ttl, load_cost, schema] = words(meta)?;
    let (version, as_of) = (u64::from_be_bytes(version), u64::from_be_bytes(as_of));
    let (stamps, payload) = split_stamps(flags, payload)?;
    Some(if header.kind == header::NEGATIVE {
        Parsed::Negative { id, floor, flags, version, as_of, soft_ttl, load_cost, schema, stamps }
    } else {
        Parsed::Value {
            id,
            floor,
            flags,
            version,
            as_of,
            soft_ttl,
            load_cost,
            schema,
            stamps,
            payload,
        }
    })
}

/// Takes the stamps off what follows the fields, where there are any.
fn split_stamps(flags: u8, rest: &[u8]) -> Option<(&[u8], &[u8])> {
    if flags & flags::TAGS == 0 {
        return Some((&[], rest));
    }
    let (&count, rest) = rest.split_first()?;
    let stamps = rest.split_at_checked(usize::from(count) * 2 * WORD_LEN)?;
    (count > 0).then_some(stamps)
}

/// The stamps of an entry; `None` where it has none.
pub(crate) fn stamps(bytes: &[u8]) -> Option<Stamps> {
    let (words, _) = bytes.as_chunks::<WORD_LEN>();
    let (pairs, _) = words.as_chunks::<2>();
    let stamp = |[tag, generation]: &[[u8; WORD_LEN]; 2]| Stamp {
        tag: u64::from_be_bytes(*tag),
        generation: u64::from_be_bytes(*generation),
    };
    (!pairs.is_empty()).then(|| pairs.iter().map(stamp).collect())
}

/// A flag of a later release may change what a value means, as tags do: such a value must not be served.
fn understood(bits: u8) -> bool {
    bits & !(flags::COMPRESSED | flags::TAGS | flags::VERSION | flags::NO_L1) == 0
}

fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    let words: &[[u8; 4]; N] = chunks.try_into().ok().filter(|_| rest.is_empty())?;
    Some(words.map(u32::from_be_bytes))
}
