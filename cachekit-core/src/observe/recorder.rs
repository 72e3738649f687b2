//! What a cache did, kept for a test to look at.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::cache::{Outcome, Status};

/// So many events are kept, the latest.
const MOST: usize = 10_000;

/// Something a cache did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recorded {
    /// A read was answered.
    Read(Status),
    /// A read went past the cache, for this reason; the same read is recorded as answered as well.
    Bypass(&'static str),
    /// A loaded value was not kept, because an invalidation overtook it.
    FillRefused,
    /// A loaded value could not be stored, or nobody knows whether it was.
    FillFailed(&'static str),
    /// A key was invalidated.
    Invalidated(Outcome),
    /// An invalidation did not get through in its quick tries.
    DeadLetter,
}

/// Records what a cache does, by templates; see [`CacheBuilder::record`](crate::CacheBuilder::record).
///
/// A clone is a handle to the same record. It holds the latest 10 000 events.
///
/// ```
/// use cachekit::{Cache, Status, cached, testing::{Recorded, Recorder}};
///
/// #[cached(key = "square:<n>", ttl = "1h")]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let recorder = Recorder::new();
/// let cache = Cache::builder().record(&recorder).build()?;
/// cache.scope(async { square(3).await + square(3).await }).await;
/// assert_eq!(recorder.count("square:<n>", Recorded::Read(Status::Loaded)), 1);
/// assert_eq!(recorder.count("square:<n>", Recorded::Read(Status::Hit)), 1);
/// assert_eq!(recorder.events().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<VecDeque<(String, Recorded)>>>);

impl Recorder {
    /// Nothing was recorded yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often this was done for keys of this template, such as `user:<id>`.
    #[must_use]
    pub fn count(&self, template: &str, what: Recorded) -> usize {
        self.count_if(|of, recorded| of == template && recorded == what)
    }

    /// How many events are so.
    #[must_use]
    pub fn count_if(&self, is: impl Fn(&str, Recorded) -> bool) -> usize {
        self.lock().iter().filter(|(template, what)| is(template, *what)).count()
    }

    /// All that was recorded, each with its template, in order.
    #[must_use]
    pub fn events(&self) -> Vec<(String, Recorded)> {
        self.lock().iter().cloned().collect()
    }

    /// Forgets what was recorded so far.
    pub fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn note(&self, template: &str, what: Recorded) {
        let mut events = self.lock();
        if events.len() == MOST {
            events.pop_front();
        }
        events.push_back((template.to_owned(), what));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Recorded)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
