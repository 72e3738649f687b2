//! Which generation of a tag a value was loaded under.

/// A tag, by its hash, and its generation when the load of a value began (protocol §4.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) tag: u64,
    pub(crate) generation: u64,
}
