//! Ids of leases and entries: never used twice.

use std::fmt;

/// The id of one incarnation of a key: 8 random bytes of a link connection, then a counter.
///
/// Everything rests on an id never coming back after it left its key, so each command that is sent gets a fresh one,
/// retries included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) [u8; 16]);

impl Id {
    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({:032x})", u128::from_be_bytes(self.0))
    }
}
