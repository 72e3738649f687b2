//! The probe: one native command that is both the read and the grant of a lease.

use redis::{Cmd, RedisWrite};

use super::names::StoreKey;
use super::reply::{Refusal, Reply, StoreError};
use crate::entry::{self, Entry, Id, LEASE_LEN, Parsed};

/// What was under the key when the probe arrived.
#[derive(Debug)]
pub(crate) enum Probe {
    /// Nothing: the key now holds our lease.
    Granted,
    /// Another lease, or one of ours from a probe whose reply was lost.
    Lease(Id),
    /// A value or a negative entry, as stored and not yet verified: [`Entry::parse`] may still find it corrupt.
    Entry(Vec<u8>),
    /// An invalidation that left a floor.
    Tombstone(Id),
    /// A writer is about to commit.
    Inhibited,
    /// Another kind with a sound header and a damaged rest.
    Corrupt(Option<Id>),
    /// Something that is not ours.
    Foreign,
}

/// `SET key lease NX GET PX ttl`: a write on purpose, so that a server that refuses invalidations refuses hits too.
pub(super) fn write(command: &mut Cmd, key: StoreKey<'_>, id: Id, ttl: &str) {
    write_entry(command, key, &entry::lease_bytes(id), ttl);
}

/// The same with another entry than a lease.
pub(super) fn write_entry(command: &mut Cmd, key: StoreKey<'_>, entry: &[u8], ttl: &str) {
    command.write_arg(b"SET");
    command.arg(key);
    command.write_arg(entry);
    command.write_arg(b"NX");
    command.write_arg(b"GET");
    command.write_arg(b"PX");
    command.write_arg(ttl.as_bytes());
}

/// `GETEX key`: a `GET` that counts as a write, so that it is refused where invalidations are.
pub(super) fn write_read(command: &mut Cmd, key: StoreKey<'_>) {
    command.write_arg(b"GETEX");
    command.arg(key);
}

pub(super) fn parse(reply: Reply) -> Result<Probe, StoreError> {
    match reply {
        Reply::Nil => Ok(Probe::Granted),
        Reply::Bytes(bytes) => Ok(kind(bytes)),
        Reply::Error(error) => match StoreError::from(&*error) {
            StoreError::Refused(Refusal::WrongType) => Ok(Probe::Foreign),
            error => Err(error),
        },
        _ => Err(StoreError::Io),
    }
}

/// A value is told by its frozen header alone: whoever takes it apart computes its checksum, once.
fn kind(bytes: Vec<u8>) -> Probe {
    if bytes.len() > LEASE_LEN && matches!(bytes[..], [0xCA, 1, b'V' | b'N', ..]) {
        return Probe::Entry(bytes);
    }
    match Entry::parse(&bytes) {
        Parsed::Lease { id, .. } => Probe::Lease(id),
        Parsed::Tombstone { id, .. } => Probe::Tombstone(id),
        Parsed::Inhibit { .. } => Probe::Inhibited,
        Parsed::Corrupt { id } => Probe::Corrupt(id),
        Parsed::Value { .. } | Parsed::Negative { .. } => Probe::Entry(bytes),
        Parsed::Foreign => Probe::Foreign,
    }
}
