//! Questions to a filter whose type is forgotten.

use std::{fmt, marker::PhantomData, pin::Pin};

use cachekit_core::{
    KeyArg, Segment,
    bloom::{Bloom, Verdict},
};

/// A question on its way.
pub(super) type Answer = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// Asks a filter for whatever is made of `I`.
pub(super) trait Ask<I: ?Sized>: Send + Sync {
    /// `None`: there is no id.
    fn ask(&self, of: &I) -> Option<Answer>;
}

/// Finds an id, and asks a filter for it.
pub(super) struct Question<K: ?Sized, F, A> {
    filter: Bloom<K>,
    find: F,
    id: PhantomData<fn() -> A>,
}

impl<K: ?Sized, F, A> Question<K, F, A> {
    pub(super) fn new(filter: Bloom<K>, find: F) -> Self {
        Self { filter, find, id: PhantomData }
    }
}

impl<I, K, F, A> Ask<I> for Question<K, F, A>
where
    I: ?Sized,
    K: Segment + ?Sized + 'static,
    F: Fn(&I) -> Option<A> + Send + Sync,
    A: KeyArg<K> + Send + 'static,
{
    fn ask(&self, of: &I) -> Option<Answer> {
        let id = (self.find)(of)?;
        let filter = self.filter.clone();
        Some(Box::pin(async move { filter.verdict(id).await }))
    }
}

impl<K: ?Sized, F, A> fmt::Debug for Question<K, F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("filter", &self.filter).finish_non_exhaustive()
    }
}
