//! What a filter in Redis says about itself.

use super::geometry::Geometry;
use crate::redis::{HEADER, Incarnation};

/// The header of a filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) geometry: Geometry,
    /// Of the region in use; nothing but zeros where none can be trusted.
    pub(super) tag: [u8; 8],
    /// Who took every write since the region in use began to be filled.
    incarnation: Incarnation,
    /// 1 or 2, 0 before the first rebuild is done.
    region: u8,
    pub(super) expected: u64,
}

impl Header {
    pub(super) fn parse(bytes: &[u8; HEADER]) -> Option<Header> {
        let number = |at: usize| bytes[at..].first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        let region = bytes[88];
        Some(Header {
            geometry: Geometry::parse(bytes)?,
            tag: *bytes[32..].first_chunk()?,
            incarnation: *bytes[48..].first_chunk()?,
            region,
            expected: number(80)?,
        })
    }

    /// Whether what is not in it was never added, so far as the server with this incarnation knows.
    pub(super) fn is_live(&self, server: Option<Incarnation>) -> bool {
        let complete = self.tag != [0; 8] && matches!(self.region, 1 | 2);
        complete && server == Some(self.incarnation)
    }

    /// The first bit of the region in use.
    pub(super) fn first_bit(&self) -> u64 {
        first_bit(&self.geometry, self.region)
    }
}

/// The first bit of a region.
pub(super) fn first_bit(geometry: &Geometry, region: u8) -> u64 {
    HEADER as u64 * 8 + if region == 2 { geometry.bits } else { 0 }
}
