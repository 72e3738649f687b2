//! Hits behind which nothing is due, for those to whom preparing a read is dearer than a hit.

use super::{Age, Answer, Context, Policy, Start, Tagged, Wants, due::told_hit};
use crate::{
    key::{Key, KeyBuf},
    value::Value,
};

impl Tagged<'_> {
    /// The value of `key`, if a read under these tags would be given it at once: this process has it, it is fresh, and
    /// no load is due behind it.
    ///
    /// For middleware that would rather not get ready for a load which most reads do not need. `None` says nothing of
    /// what the cache has: read, with [`get_or_refresh`](Self::get_or_refresh) say. A value counts as a hit; `None` is
    /// not counted, and begins nothing. Inside [`refresh`](crate::refresh) and [`bypass`](crate::bypass) it is `None`,
    /// and over Redis it is, unless the cache has a [`LocalTier`](crate::CacheBuilder::local) that the policy uses.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cachekit::{Cache, Policy, key};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cachekit::Error> {
    /// let cache = Cache::builder().build()?;
    /// let policy = Policy::new(Duration::from_secs(60));
    /// let (org, page) = (7, 1);
    /// let members = cache.tagged([key!("org:<org>")]);
    /// let key = key!("members:<org>:<page>");
    /// assert_eq!(members.hit::<u64>(&key, &policy), None);
    /// members.get_or_load(key.clone(), &policy, async || Ok::<_, ()>(3_u64)).await.unwrap();
    /// assert_eq!(members.hit::<u64>(&key, &policy), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn hit<T: Value>(&self, key: &Key, policy: &Policy) -> Option<T> {
        let (call, key) = (self.call(), KeyBuf::from(key.clone()));
        let wants = Wants { policy, codec: None, optional: false, timed: false };
        Context::with(|context| {
            let (engine, entry, view) = Start::here(&call, call.cache, &key, &wants, context)?;
            let entry = engine.living(view, &key.as_ref(), entry)?;
            let age = entry.extra().map(|extra| Age::of_local(extra, view.now_ms));
            let policy = policy.of(entry.answer());
            let is_fresh = age.is_none_or(|age| age.is_fresh(&policy));
            if !is_fresh || !engine.suits(view, &entry, call.tags) {
                return None;
            }
            let Answer::Value(value) = entry.answer() else { return None };
            let value = value.downcast_ref::<T>()?.clone();
            told_hit(engine, &key, context);
            Some(value)
        })
    }
}
