//! Cache-aside under tags, without attributes.

use super::{Answer, Ask, Cache, Peek, Policy, get_or_load::get_or_refresh};
use crate::{
    __private::{self, Call, Form, Site},
    error::{Error, ErrorKind},
    key::{Key, KeyBuf, Tag},
    value::Value,
};

static SITE: Site = Site::read("Cache::tagged", "", file!(), line!());

/// A [`Cache`] and the tags that reads through it name: see [`Cache::tagged`].
#[derive(Clone, Debug)]
pub struct Tagged<'a> {
    cache: &'a Cache,
    tags: Vec<Tag>,
}

impl Cache {
    /// Names the tags of the reads that follow: what they load is dropped with any of them.
    ///
    /// A tag stands for many entries that nobody can list: all pages of an organisation, say. It is a [`Key`], and may
    /// be that of an entry. [`invalidate_tag`](Self::invalidate_tag) drops all that was loaded under it, and what is
    /// being loaded under it is served to those only that asked before.
    ///
    /// An entry is found only where all its tags are named, and callers share loads of a key whatever tags they name: so
    /// name the same ones wherever a key is read, batches included, which have none. They are
    /// known before the load, so they never depend on what it brings. One to eight of them; for a number that is known
    /// at run time see [`try_tagged`](Self::try_tagged).
    ///
    /// Each tag has an entry of its own, in Redis or, without Redis, in the in-process tier; one that is lost makes
    /// reads under it load anew.
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
    ///
    /// let load = async || Ok::<_, std::io::Error>(vec!["Ada".to_owned()]);
    /// let members = cache.tagged([key!("org:<org>")]);
    /// members.get_or_load(key!("members:<org>:<page>"), &policy, load).await?;
    ///
    /// cache.invalidate_tag(key!("org:<org>")).await; // every page of that organisation
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// More than eight are refused when the program is built:
    ///
    /// ```compile_fail
    /// # use cachekit::{Cache, key};
    /// # fn nine(cache: &Cache) {
    /// let tag = || key!("org");
    /// cache.tagged([tag(), tag(), tag(), tag(), tag(), tag(), tag(), tag(), tag()]);
    /// # }
    /// # fn main() { nine(&Cache::disabled()) }
    /// ```
    #[must_use]
    pub fn tagged<const N: usize>(&self, tags: [Key; N]) -> Tagged<'_> {
        const { assert!(N >= 1 && N <= Tagged::MOST, "a read has one to eight tags") };
        Tagged { cache: self, tags: tags.into_iter().map(Tag::from).collect() }
    }

    /// [`tagged`](Self::tagged) with as many tags as there are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidKey`] for none, or for more than eight.
    pub fn try_tagged(&self, tags: impl IntoIterator<Item = Key>) -> Result<Tagged<'_>, Error> {
        // One more is enough to see that there are too many.
        let tags: Vec<_> = tags.into_iter().take(Tagged::MOST + 1).map(Tag::from).collect();
        if tags.is_empty() || tags.len() > Tagged::MOST {
            let message = format!("a read has one to {} tags", Tagged::MOST);
            return Err(Error::new(ErrorKind::InvalidKey, "name the tags of a read", message));
        }
        Ok(Tagged { cache: self, tags })
    }
}

impl Tagged<'_> {
    /// How many tags a read may have.
    pub const MOST: usize = 8;

    /// [`Cache::get_or_load`] under these tags.
    ///
    /// # Errors
    ///
    /// As [`Cache::get_or_load`].
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::get_or_load`].
    pub async fn get_or_load<T, E, F>(&self, key: Key, policy: &Policy, load: F) -> Result<T, E>
    where
        T: Value,
        F: AsyncFnOnce() -> Result<T, E>,
    {
        let form = Form::<Result<T, E>>::result();
        __private::read(self.call(), &KeyBuf::from(key), policy, form, move || load()).await
    }

    /// [`Cache::get_or_load_optional`] under these tags.
    ///
    /// # Errors
    ///
    /// As [`Cache::get_or_load`].
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::get_or_load`].
    pub async fn get_or_load_optional<T, E, F>(
        &self,
        key: Key,
        policy: &Policy,
        load: F,
    ) -> Result<Option<T>, E>
    where
        T: Value,
        F: AsyncFnOnce() -> Result<Option<T>, E>,
    {
        let form = Form::<Result<Option<T>, E>>::optional();
        __private::read(self.call(), &KeyBuf::from(key), policy, form, move || load()).await
    }

    /// [`Cache::get_or_refresh`] under these tags. What a load in the background brings is void if a tag was invalidated
    /// since it began.
    ///
    /// # Errors
    ///
    /// As [`Cache::get_or_refresh`].
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::get_or_refresh`].
    pub async fn get_or_refresh<T, E, F, Fut>(
        &self,
        key: Key,
        policy: &Policy,
        load: F,
    ) -> Result<T, E>
    where
        T: Value,
        E: 'static,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        get_or_refresh(self.call(), key, policy, load).await
    }

    /// [`Cache::peek`] at an entry that has these tags. To one that does not name them it is a miss.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time without effect.
    pub async fn peek<T: Value>(&self, key: &Key) -> Peek<T> {
        let Some(engine) = self.cache.engine() else { return Peek::Miss };
        let found = match engine.local_under(&key.as_ref(), &self.tags) {
            Some((entry, _)) => Some(entry.into_answer()),
            None => self.look(key, &Ask::peeking::<T>()).await,
        };
        Peek::of(found)
    }

    #[cfg(any(feature = "redis", shuttle))]
    async fn look(&self, key: &Key, ask: &Ask) -> Option<Answer> {
        let store = &self.cache.engine()?.store;
        let found = Box::pin(store.look_under(key.as_str(), ask, &self.tags)).await;
        found.ok().flatten().map(|found| found.answer)
    }

    /// There is no other tier.
    #[cfg(not(any(feature = "redis", shuttle)))]
    async fn look(&self, _: &Key, _: &Ask) -> Option<Answer> {
        None
    }

    pub(super) fn call(&self) -> Call<'_> {
        Call { tags: &self.tags, ..Call::new(&SITE, Some(self.cache)) }
    }
}
