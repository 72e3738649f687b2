//! How large a filter is, and which bits an id has.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use arrayvec::ArrayVec;

/// As it stands at the beginning of a filter in Redis.
pub(super) const ENCODED: usize = 32;
const MAGIC: &[u8; 5] = b"CKBF\x01";

/// The most bits of one region: two of them and a header fit into the largest string that Redis takes by default.
const MOST_BITS: u64 = (1 << 31) - GRAIN;
/// A region is a whole number of these bits: 4 KiB, one step of a rebuild.
const GRAIN: u64 = 8 * 4096;
const MOST_HASHES: usize = 20;

/// The bits of one id.
pub(super) type Positions = ArrayVec<u32, MOST_HASHES>;

/// The size of a filter, and the salt that its hashes are made with: who does not know it cannot work out ids that
/// pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) bits: u64,
    pub(super) hashes: u8,
    salt: [u8; 16],
}

impl Geometry {
    /// The smallest filter that keeps to `rate` with `expected` ids in it; `None` where that is larger than a string in
    /// Redis may be.
    pub(super) fn fitting(expected: u64, rate: f64) -> Option<Geometry> {
        let ln2 = std::f64::consts::LN_2;
        #[expect(clippy::cast_precision_loss, reason = "a size in bits is an estimate")]
        let wanted = (expected as f64 * -rate.ln() / (ln2 * ln2)).ceil();
        if wanted > MOST_BITS as f64 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        let bits = (wanted as u64).max(1).next_multiple_of(GRAIN);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 20")]
        let hashes = (-rate.log2()).round().clamp(1.0, MOST_HASHES as f64) as u8;
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&random());
        salt[8..].copy_from_slice(&random());
        Some(Geometry { bits, hashes, salt })
    }

    /// Whether an id's bits are as many and as far apart in both.
    pub(super) fn is_as_large_as(&self, other: &Geometry) -> bool {
        (self.bits, self.hashes) == (other.bits, other.hashes)
    }

    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(super) fn encode(&self) -> [u8; ENCODED] {
        let mut bytes = [0; ENCODED];
        bytes[..5].copy_from_slice(MAGIC);
        bytes[5] = self.hashes;
        bytes[8..16].copy_from_slice(&self.bits.to_be_bytes());
        bytes[16..].copy_from_slice(&self.salt);
        bytes
    }

    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(super) fn parse(bytes: &[u8]) -> Option<Geometry> {
        let bytes: &[u8; ENCODED] = bytes.first_chunk()?;
        let (bits, salt) = (*bytes[8..].first_chunk()?, *bytes[16..].first_chunk()?);
        let geometry = Geometry { bits: u64::from_be_bytes(bits), hashes: bytes[5], salt };
        let sound = bytes.starts_with(MAGIC)
            && (1..=MOST_HASHES).contains(&usize::from(geometry.hashes))
            && (GRAIN..=MOST_BITS).contains(&geometry.bits)
            && geometry.bits.is_multiple_of(GRAIN);
        sound.then_some(geometry)
    }

    /// Whether these bytes begin a filter, perhaps of a version that this one cannot read.
    #[cfg(feature = "redis")]
    pub(super) fn is_of_any_version(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC[..4])
    }

    /// The bits of the id that is written as `text`. The same in every process and every version.
    pub(super) fn positions(&self, text: &str) -> Positions {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&self.salt);
        key[16..].copy_from_slice(&self.salt);
        let hash = blake3::keyed_hash(&key, text.as_bytes());
        let word = |at: usize| {
            let bytes = hash.as_bytes()[at..].first_chunk().expect("a hash has 32 bytes");
            u64::from_le_bytes(*bytes)
        };
        let (mut at, step) = (word(0), word(8) | 1);
        let mut positions = Positions::new();
        for _ in 0..self.hashes {
            #[expect(clippy::cast_possible_truncation, reason = "below `bits`, which fits")]
            positions.push(((u128::from(at) * u128::from(self.bits)) >> 64) as u32);
            at = at.wrapping_add(step);
        }
        positions
    }

    /// The share of ids that were never added and pass all the same, with so many ids in it.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn rate_with(&self, ids: u64) -> f64 {
        let (bits, hashes) = (self.bits as f64, f64::from(self.hashes));
        (1.0 - (-hashes * ids as f64 / bits).exp()).powf(hashes)
    }

    /// About how many ids have set so many bits.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
    pub(super) fn ids_of(&self, ones: u64) -> u64 {
        // All bits are set by as many ids as leave one of them unset, or by more.
        let unset = self.bits.saturating_sub(ones).max(1) as f64 / self.bits as f64;
        (-(self.bits as f64) / f64::from(self.hashes) * unset.ln()).round() as u64
    }
}

/// Bytes that nobody can foresee, from the keys that std draws for its maps.
pub(super) fn random() -> [u8; 8] {
    RandomState::new().build_hasher().finish().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_ids_at_one_percent_take_little_more_than_a_megabyte() {
        let geometry = Geometry::fitting(1_000_000, 0.01).unwrap();
        assert_eq!(geometry.hashes, 7);
        assert!((1_198_000..1_204_000).contains(&(geometry.bits / 8)), "{geometry:?}");
        assert!((0.009..=0.0101).contains(&geometry.rate_with(1_000_000)));
        assert!(geometry.rate_with(2_000_000) > 0.1);
        assert_eq!(Geometry::fitting(1, 0.5).unwrap().bits, GRAIN);
        assert_eq!(Geometry::fitting(1 << 40, 0.01), None);
    }

    #[test]
    fn it_is_read_as_it_was_written_and_nothing_else_is_read() {
        let geometry = Geometry::fitting(5_000, 0.001).unwrap();
        let bytes = geometry.encode();
        assert_eq!(Geometry::parse(&bytes), Some(geometry));
        assert_eq!(Geometry::parse(&[bytes.as_slice(), b"more"].concat()), Some(geometry));
        assert_eq!(Geometry::parse(&bytes[..31]), None);
        for (at, byte) in [(0, b'X'), (4, 2), (5, 0), (5, 21), (8, 0xff), (15, 1)] {
            let mut bytes = bytes;
            bytes[at] = byte;
            assert_eq!(Geometry::parse(&bytes), None, "byte {at}");
        }
        assert_eq!(Geometry::parse(&[0; ENCODED]), None);
    }

    /// What is in Redis is read by other processes and later versions: this must never change.
    #[test]
    fn positions_are_the_same_for_ever() {
        let geometry = Geometry { bits: 10 * GRAIN, hashes: 4, salt: *b"0123456789abcdef" };
        assert_eq!(geometry.positions("7").as_slice(), FROZEN);
        assert!(geometry.positions("8").as_slice() != FROZEN);
        let salted = Geometry { salt: *b"0123456789abcdeg", ..geometry };
        assert!(salted.positions("7").as_slice() != FROZEN);
    }

    const FROZEN: &[u32] = &[244683, 93151, 269299, 117767];

    #[test]
    fn ids_are_told_by_their_bits() {
        let geometry = Geometry::fitting(1_000, 0.01).unwrap();
        let bits = crate::bloom::bits::Bits::new(geometry.bits);
        for id in 0..3_000 {
            bits.set(&geometry.positions(&id.to_string()));
        }
        assert!((2_900..=3_100).contains(&geometry.ids_of(bits.ones())));
        assert_eq!(geometry.ids_of(0), 0);
        assert!(geometry.ids_of(geometry.bits) < 1_000_000);
    }

    #[test]
    fn salts_differ() {
        let salts = || Geometry::fitting(10, 0.1).unwrap().salt;
        assert_ne!(salts(), salts());
    }
}
