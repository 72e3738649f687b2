//! Hits behind which nothing is due, for those to whom preparing a read is dearer than a hit.

use std::sync::Arc;

use super::{Age, Cache, Context, Policy, Start, Tagged, Wants, due::count_hit};
use crate::{
    __private::Call,
    engine::Engine,
    key::{Key, KeyBuf},
    tier::{Entry, View},
    value::Value,
};

impl Tagged<'_> {
    /// The value of `key`, if this process has it to give and nothing else is to be done: it is fresh, and a read would
    /// begin no load behind it, such as [ahead](Policy::refresh_ahead) of its end.
    ///
    /// For middleware that would rather not get ready for a load which most reads do not need. `None` says nothing of
    /// what the cache has: then read, with [`get_or_refresh`](Self::get_or_refresh) say. It is `None` wherever a read
    /// would look further than this process, or not at all: over Redis without a `LocalTier` that the policy uses, inside
    /// [`refresh`](crate::refresh), [`bypass`](crate::bypass) or a load that may not use copies, for a session that has
    /// written. An absent value and one of another type are `None` as well.
    ///
    /// A value counts as a hit, and nothing else is counted, or begun. [`with_status`](crate::with_status) is not told:
    /// who calls this knows.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cachekit::{Cache, Policy, key};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::builder().build()?;
    /// let policy = Policy::new(Duration::from_secs(60));
    /// let (org, page) = (7, 1);
    /// let members = cache.tagged([key!("org:<org>")]);
    /// let key = key!("members:<org>:<page>");
    /// assert_eq!(members.hit::<u64>(&key, &policy), None);
    /// members.get_or_load(key.clone(), &policy, async || Ok::<_, std::io::Error>(3_u64)).await?;
    /// assert_eq!(members.hit::<u64>(&key, &policy), Some(3));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn hit<T: Value>(&self, key: &Key, policy: &Policy) -> Option<T> {
        let (call, key) = (self.call(), KeyBuf::from(key.clone()));
        let wants = Wants { policy, codec: None, optional: false, timed: false };
        let value = Context::with(|context| {
            let (engine, entry, view) = Start::here(&call, call.cache, &key, &wants, context)?;
            let entry = engine.living(view, &key.as_ref(), entry)?;
            let age = entry.extra().map(|extra| Age::of_local(extra, view.now_ms));
            let policy = policy.of(entry.answer());
            let is_fresh = age.is_none_or(|age| age.is_fresh(&policy));
            if !is_fresh || !engine.suits(view, &entry, call.tags) {
                return None;
            }
            let value = entry.into_answer().value().filter(|value| value.is::<T>())?;
            count_hit(engine, &key);
            Some(value)
        })?;
        // Cloned outside: it is the user's code, and may run anything.
        value.downcast_ref::<T>().cloned()
    }
}

impl Start {
    /// What this process has for the key, if this read may be answered from here.
    #[inline(always)]
    pub(super) fn here<'c>(
        call: &Call<'_>,
        cache: Option<&'c Cache>,
        key: &KeyBuf,
        wants: &Wants<'_>,
        context: Option<&Context>,
    ) -> Option<(&'c Arc<Engine>, Entry, View)> {
        let engine = cache.and_then(Cache::engine).filter(|_| !call.in_transaction)?;
        let looks = |context: &Context| context.looks_here(engine, &key.as_ref(), call.tags);
        if !engine.serves_here(wants.policy) || !context.is_none_or(looks) {
            return None;
        }
        let view = engine.view()?;
        Some((engine, engine.in_tier(&key.as_ref())?, view))
    }
}
