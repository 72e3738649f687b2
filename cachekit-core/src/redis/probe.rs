//! The probe: one native command that is both the read and the grant of a lease.

use redis::{Cmd, RedisWrite, Value};

use super::reply::{Refusal, StoreError};
use super::store::StoreKey;
use crate::entry::{self, Id};

/// What was under the key when the probe arrived.
#[derive(Debug)]
pub(crate) enum Probe {
    /// Nothing: the key now holds our lease.
    Granted,
    /// Another lease, or one of ours from a probe whose reply was lost.
    Lease(Id),
    /// A value or a negative entry, as stored: [`Entry::parse`] takes it apart again.
    Entry(Vec<u8>),
    /// An invalidation that left a floor.
    Tombstone(Id),
    /// A writer is about to commit.
    Inhibited,
    /// An entry with a sound header and a damaged rest; without an id the header is damaged too.
    Corrupt(Option<Id>),
    /// Something that is not ours.
    Foreign,
}

/// `SET key lease NX GET PX ttl`: a write on purpose, so that a server that refuses invalidations refuses hits too.
pub(super) fn command(key: StoreKey<'_>, id: Id, ttl: &str) -> Cmd {
    let lease = entry::lease_bytes(id);
    let mut command = Cmd::with_capacity(7, 10 + key.len() + lease.len() + ttl.len());
    command.write_arg(b"SET");
    command.arg(key);
    command.write_arg(&lease);
    command.write_arg(b"NX");
    command.write_arg(b"GET");
    command.write_arg(b"PX");
    command.write_arg(ttl.as_bytes());
    command
}

pub(super) fn parse(value: Value) -> Result<Probe, StoreError> {
    match value {
        Value::Nil => Ok(Probe::Granted),
        Value::BulkString(bytes) => Ok(kind(bytes)),
        Value::ServerError(error) => match StoreError::from(&error) {
            StoreError::Refused(Refusal::WrongType) => Ok(Probe::Foreign),
            error => Err(error),
        },
        _ => Err(StoreError::Io),
    }
}

/// Goes by the header alone: the checksum of a value is left to whoever takes it apart.
fn kind(bytes: Vec<u8>) -> Probe {
    if bytes.len() < 28 || bytes[0] != 0xca {
        return Probe::Foreign;
    }
    let id = Id(bytes[4..20].try_into().unwrap());
    match bytes[2] {
        b'L' => Probe::Lease(id),
        b'V' | b'N' => Probe::Entry(bytes),
        b'T' => Probe::Tombstone(id),
        b'I' => Probe::Inhibited,
        _ => Probe::Corrupt(Some(id)),
    }
}
