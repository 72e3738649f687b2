//! Looking without touching: for tools and tests.

use super::{Answer, Ask, Cache, Policy};
use crate::{key::Key, ttl::Ttl, value::Value};

/// What [`Cache::peek`] saw.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peek<T> {
    /// A value.
    Hit(T),
    /// That there is none is cached.
    Absent,
    /// Nothing, or nothing of this type, or the store is away.
    Miss,
}

impl Cache {
    /// Looks what the cache has for `key`, as a value of type `T`. Takes no lease, starts no load
    /// and changes nothing.
    ///
    /// For tools and tests: over Redis it is a plain `GET`, which a server that refuses
    /// invalidations still answers, so a service must not decide anything by it.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time without effect.
    ///
    /// ```
    /// use cachekit::{Cache, Peek, key};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cachekit::Error> {
    /// let cache = Cache::builder().build()?;
    /// let id = 7;
    /// assert_eq!(cache.peek::<String>(&key!("user:<id>")).await, Peek::Miss);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn peek<T: Value>(&self, key: &Key) -> Peek<T> {
        let Some(engine) = self.engine() else { return Peek::Miss };
        let policy = Policy::from_parts(Ttl::from_millis(1, 0), None);
        let ask = Ask { policy, codec: Some(T::CODEC), optional: true, nested: false };
        let found = match engine.local(&key.as_ref()) {
            Some((entry, _)) => Some(entry.into_answer()),
            None => {
                engine.store.look(key.as_str(), &ask).await.ok().flatten().map(|found| found.answer)
            }
        };
        match found {
            Some(Answer::Value(value)) => {
                value.downcast_ref::<T>().map_or(Peek::Miss, |value| Peek::Hit(value.clone()))
            }
            Some(Answer::Absent) => Peek::Absent,
            None => Peek::Miss,
        }
    }
}
