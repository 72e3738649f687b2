//! What responses depend on beside their groups: known once a handler has said so.
//!
//! A tag has to be known before the data is read, or a write that came in between would be missed. So a response whose
//! handler names one that was not known is its reader's alone. From then on it is known before the run: the response is
//! stored under it, and apart from what was stored without it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use cachekit_core::Key;

use super::gates::Digest;
use crate::{
    Kind,
    identity::{IdentityWriter, Part},
};

/// So many identities are remembered; then all are forgotten, and learnt anew.
const MOST: usize = 1 << 14;

/// Tags that a response has at most, its groups included.
pub(crate) const MOST_TAGS: usize = 8;

/// The tags that handlers have named, by identity.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    tags: Mutex<HashMap<Digest, Arc<[Key]>>>,
    /// So that nobody takes the lock while there are none.
    len: AtomicUsize,
}

impl Learned {
    /// What is known of the response to a request of this identity.
    pub(crate) fn of(&self, digest: &Digest) -> Option<Arc<[Key]>> {
        if self.len.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.tags.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    /// What is known from now on.
    pub(crate) fn learn(&self, digest: Digest, mut tags: Vec<Key>) {
        // In one order, since they are part of where the response is.
        tags.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        let mut all = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(&digest) {
            all.clear();
        }
        all.insert(digest, tags.into());
        self.len.store(all.len(), Ordering::Relaxed);
    }
}

/// Where a response is that has these tags beside its groups.
pub(crate) fn place(digest: &Digest, tags: &[Key], key: &[u8; 32]) -> Digest {
    let mut identity = IdentityWriter::new("tags", Kind::Http);
    identity.part(Part::Group, digest);
    tags.iter().for_each(|tag| identity.part(Part::Group, tag.as_str()));
    identity.finish().digest(key)
}

#[cfg(test)]
mod tests {
    use cachekit_core::key::RuntimeTemplate;

    use super::*;

    fn tag(id: usize) -> Key {
        let template = RuntimeTemplate::parse("org:<id>").unwrap();
        let made = template.expand(|_, w| {
            w.str(&id.to_string());
            Ok::<_, std::convert::Infallible>(())
        });
        made.unwrap()
    }

    #[test]
    fn what_was_learnt_is_known_in_one_order_and_bounded() {
        let learned = Learned::default();
        assert!(learned.of(&[0; 16]).is_none());
        learned.learn([0; 16], vec![tag(2), tag(1)]);
        assert_eq!(*learned.of(&[0; 16]).unwrap(), [tag(1), tag(2)]);
        for number in 1..=MOST as u128 {
            learned.learn(number.to_be_bytes(), vec![tag(1)]);
        }
        assert!(learned.of(&[0; 16]).is_none());
        assert_eq!(learned.len.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn other_tags_are_another_place() {
        let at = |tags: &[Key]| place(&[7; 16], tags, &[1; 32]);
        assert_eq!(at(&[tag(1)]), at(&[tag(1)]));
        assert_ne!(at(&[tag(1)]), at(&[tag(2)]));
        assert_ne!(at(&[tag(1)]), at(&[tag(1), tag(2)]));
        assert_ne!(at(&[tag(1)]), place(&[8; 16], &[tag(1)], &[1; 32]));
    }
}
