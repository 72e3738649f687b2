//! Identities whose responses may not be shared, for a while: nobody is to wait for them.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use tokio::time::Instant;

use crate::identity::Identity;

/// So many are remembered.
const MOST: usize = 4096;

/// The identities whose last response was for one caller alone.
pub(crate) struct Marks {
    until: Mutex<HashMap<Identity, Instant, RandomState>>,
    /// So that nobody takes the lock while there are none.
    len: AtomicUsize,
    lasting: Duration,
}

impl Marks {
    pub(crate) fn new(lasting: Duration) -> Self {
        Self { until: Mutex::default(), len: AtomicUsize::new(0), lasting }
    }

    pub(crate) fn is_marked(&self, identity: &Identity) -> bool {
        if self.len.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut marks = self.lock();
        match marks.get(identity) {
            None => false,
            Some(until) if Instant::now() < *until => true,
            Some(_) => {
                marks.remove(identity);
                self.len.store(marks.len(), Ordering::Relaxed);
                false
            }
        }
    }

    pub(crate) fn mark(&self, identity: &Identity) {
        let now = Instant::now();
        let mut marks = self.lock();
        if marks.len() >= MOST && !marks.contains_key(identity) {
            marks.retain(|_, until| now < *until);
        }
        if marks.len() < MOST || marks.contains_key(identity) {
            marks.insert(identity.clone(), now + self.lasting);
        }
        self.len.store(marks.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, Instant, RandomState>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marks").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Kind,
        identity::{IdentityWriter, Part},
    };

    fn identity(n: usize) -> Identity {
        let mut writer = IdentityWriter::new("l", Kind::Http);
        writer.part(Part::Path, n.to_be_bytes());
        writer.finish()
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_lasts_for_a_while_and_the_table_is_bounded() {
        let marks = Marks::new(Duration::from_secs(10));
        assert!(!marks.is_marked(&identity(0)));
        (0..2 * MOST).for_each(|n| marks.mark(&identity(n)));
        assert!(marks.is_marked(&identity(0)) && !marks.is_marked(&identity(MOST)));
        assert_eq!(marks.len.load(Ordering::Relaxed), MOST);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!marks.is_marked(&identity(1)));
        marks.mark(&identity(MOST));
        marks.mark(&identity(MOST + 1));
        assert!(marks.is_marked(&identity(MOST)));
    }
}
