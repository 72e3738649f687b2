//! Which generations of its tags a value was loaded under.

use std::sync::Arc;

/// A tag, by its hash, and its generation when the load of a value began (protocol §4.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) tag: u64,
    /// Never 0: that stands for a generation that is not there.
    pub(crate) generation: u64,
}

/// The stamps of one value, a stamp for each of its tags.
pub(crate) type Stamps = Arc<[Stamp]>;

/// What an entry's stamps say to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing it depends on was invalidated.
    Current,
    /// A tag was invalidated, or its generation was lost.
    Outdated,
    /// It was written under other tags than the reader's: somebody's program says otherwise.
    Foreign,
}

/// Compares what an entry was written under with what a reader has found.
pub(crate) fn standing(written: Option<&[Stamp]>, found: &[Stamp]) -> Standing {
    let written = written.unwrap_or_default();
    let of = |stamp: &Stamp| written.iter().find(|written| written.tag == stamp.tag);
    if written.len() != found.len() || found.iter().any(|stamp| of(stamp).is_none()) {
        return Standing::Foreign;
    }
    match found.iter().all(|stamp| stamp.generation != 0 && of(stamp) == Some(stamp)) {
        true => Standing::Current,
        false => Standing::Outdated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(pairs: &[(u64, u64)]) -> Vec<Stamp> {
        pairs.iter().map(|&(tag, generation)| Stamp { tag, generation }).collect()
    }

    #[test]
    fn an_entry_is_current_while_each_of_its_tags_is() {
        let found = stamps(&[(1, 11), (2, 22)]);
        let of = |pairs: &[(u64, u64)]| standing(Some(&stamps(pairs)), &found);
        assert_eq!(of(&[(1, 11), (2, 22)]), Standing::Current);
        assert_eq!(of(&[(2, 22), (1, 11)]), Standing::Current);
        assert_eq!(of(&[(1, 11), (2, 23)]), Standing::Outdated);
        assert_eq!(of(&[(1, 22), (2, 11)]), Standing::Outdated);
        for other in [&[(1, 11)][..], &[(1, 11), (2, 22), (3, 33)], &[(1, 11), (3, 22)], &[]] {
            assert_eq!(of(other), Standing::Foreign, "{other:?}");
        }
        assert_eq!(standing(None, &found), Standing::Foreign);
    }

    #[test]
    fn a_generation_that_is_not_there_is_nobody_s() {
        let lost = stamps(&[(1, 0)]);
        assert_eq!(standing(Some(&lost), &lost), Standing::Outdated);
    }

    #[test]
    fn an_entry_without_tags_is_current_to_a_reader_without_tags() {
        assert_eq!(standing(None, &[]), Standing::Current);
        assert_eq!(standing(Some(&stamps(&[(1, 11)])), &[]), Standing::Foreign);
    }
}
