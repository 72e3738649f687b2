//! What an expansion asks a Bloom filter.

use crate::bloom::Bloom;
pub use crate::bloom::{Asks, Question};

/// The filter of `bloom = expr`, whether that is a [`Bloom`] or refers to one.
pub fn filter<K: ?Sized, B: AsRef<Bloom<K>> + ?Sized>(bloom: &B) -> &Bloom<K> {
    bloom.as_ref()
}

/// What the filter is to be asked for: the placeholders of the key.
pub fn ask<K: ?Sized>(bloom: &Bloom<K>, parts: impl Asks<K>) -> Question<'_> {
    Question::new(bloom, &parts)
}
