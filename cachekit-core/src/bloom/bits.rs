//! A row of bits that threads set and look at without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use super::geometry::Positions;

/// Bits in the order in which Redis counts them.
pub(super) struct Bits(Box<[AtomicU64]>);

impl Bits {
    /// So many bits, a multiple of 64, none of them set.
    pub(super) fn new(bits: u64) -> Bits {
        Bits((0..bits / 64).map(|_| AtomicU64::new(0)).collect())
    }

    /// Sets the bits of an id; whether one of them was not set.
    // The lock, or the connection, by which others learn of the region orders this; bits alone say nothing.
    pub(super) fn set(&self, positions: &Positions) -> bool {
        positions.iter().fold(false, |new, position| {
            let (word, bit) = place(*position);
            // Most bits that are set again are set already, and a write would take the line from other processors.
            let set = self.0[word].load(Ordering::Acquire) & bit != 0;
            new | (!set && self.0[word].fetch_or(bit, Ordering::AcqRel) & bit == 0)
        })
    }

    /// Whether all bits of an id are set.
    #[inline]
    pub(super) fn has(&self, positions: &Positions) -> bool {
        positions.iter().all(|position| {
            let (word, bit) = place(*position);
            self.0[word].load(Ordering::Acquire) & bit != 0
        })
    }

    /// How many are set.
    pub(super) fn ones(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum()
    }

    /// The bytes from this one on, as many as `step` or what is left; `None` past the end.
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(super) fn bytes(&self, from: usize, step: usize) -> Option<Vec<u8>> {
        let words = self.0.get(from / 8..)?;
        let bytes =
            words.iter().take(step / 8).flat_map(|word| word.load(Ordering::Acquire).to_be_bytes());
        (!words.is_empty()).then(|| bytes.collect())
    }
}

fn place(position: u32) -> (usize, u64) {
    (position as usize / 64, 1 << (63 - position % 64))
}

impl std::fmt::Debug for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bits").field("bytes", &(self.0.len() * 8)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_there_once_it_was_set_and_new_once() {
        let bits = Bits::new(128);
        let (a, b) = (Positions::from_iter([0, 64, 127]), Positions::from_iter([0, 65]));
        assert!(!bits.has(&a));
        assert!(bits.set(&a));
        assert!(!bits.set(&a));
        assert!(bits.has(&a) && !bits.has(&b));
        assert!(bits.set(&b));
    }

    #[test]
    fn bytes_are_in_the_order_of_redis() {
        let bits = Bits::new(128);
        bits.set(&Positions::from_iter([0, 9, 71]));
        assert_eq!(bits.bytes(0, 8).unwrap(), [0x80, 0x40, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bits.bytes(8, 64).unwrap(), [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bits.bytes(16, 8), None);
    }
}
