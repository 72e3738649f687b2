//! Cache-aside without attributes.

use super::{Brought, Cache, Job, Policy};
use crate::{
    __private::{self, Call, Form, Owning, Site},
    error::Error,
    key::{Key, KeyBuf},
    value::Value,
};

static SITE: Site = Site::read("Cache::get_or_load", "", file!(), line!());

impl Cache {
    /// The cached value of `key`, or what `load` brings, which is then kept for the policy's TTL.
    ///
    /// `load` runs in this task, at most once, and only if no other call brings the value. Only
    /// success is kept. An error of the cache itself is never returned: then `load` runs.
    ///
    /// # Errors
    ///
    /// What `load` returns. Callers that waited for a load that failed run their own, in groups that
    /// grow; an attributed function shares an error that can be cloned instead.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way, callers that wait for this load go on with one of their own.
    pub async fn get_or_load<T, E, F>(&self, key: Key, policy: &Policy, load: F) -> Result<T, E>
    where
        T: Value,
        F: AsyncFnOnce() -> Result<T, E>,
    {
        let call = Call::new(&SITE, Some(self));
        let form = Form::<Result<T, E>>::result();
        __private::read(call, &KeyBuf::from(key), policy, form, move || load()).await
    }

    /// [`get_or_load`](Self::get_or_load) for loads that may find nothing. An absence is kept for
    /// the policy's [`negative_ttl`](Policy::negative_ttl).
    ///
    /// # Errors
    ///
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_load`](Self::get_or_load).
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
        let call = Call::new(&SITE, Some(self));
        let form = Form::<Result<Option<T>, E>>::optional();
        __private::read(call, &KeyBuf::from(key), policy, form, move || load()).await
    }

    /// [`get_or_load`](Self::get_or_load) for errors that one of the cache's can become: it keeps to
    /// the policy's [`hard_timeout`](Policy::hard_timeout), and is refused where it would wait for a
    /// turn for too long.
    ///
    /// # Errors
    ///
    /// As [`get_or_load`](Self::get_or_load); of kind [`Timeout`](crate::ErrorKind::Timeout) if
    /// there was no answer in time, and of kind [`Overloaded`](crate::ErrorKind::Overloaded) if too
    /// many loads wait, see [`max_loads`](crate::CacheBuilder::max_loads).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn try_get_or_load<T, E, F>(&self, key: Key, policy: &Policy, load: F) -> Result<T, E>
    where
        T: Value,
        E: From<Error>,
        F: AsyncFnOnce() -> Result<T, E>,
    {
        let call = Call::new(&SITE, Some(self));
        let form = Form { fail: Some(|error| Err(error.into())), ..Form::<Result<T, E>>::result() };
        __private::read(call, &KeyBuf::from(key), policy, form, move || load()).await
    }

    /// [`try_get_or_load`](Self::try_get_or_load) for loads that may find nothing.
    ///
    /// # Errors
    ///
    /// As [`try_get_or_load`](Self::try_get_or_load).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn try_get_or_load_optional<T, E, F>(
        &self,
        key: Key,
        policy: &Policy,
        load: F,
    ) -> Result<Option<T>, E>
    where
        T: Value,
        E: From<Error>,
        F: AsyncFnOnce() -> Result<Option<T>, E>,
    {
        let call = Call::new(&SITE, Some(self));
        let form = Form::<Result<Option<T>, E>>::optional();
        let form = Form { fail: Some(|error| Err(error.into())), ..form };
        __private::read(call, &KeyBuf::from(key), policy, form, move || load()).await
    }

    /// [`get_or_load`](Self::get_or_load) for loads that can also run in the background: callers are answered at once
    /// with a value that is soon, or already, out of date, while one load for all brings the next.
    ///
    /// A value that is still good is refreshed ahead of its end, by chance the earlier the longer its load takes, or
    /// as [`Policy::refresh_ahead`] says. One that is past its TTL is answered within the policy's
    /// [`stale_while_revalidate`](Policy::stale_while_revalidate), as [`Status::Stale`](crate::Status::Stale).
    ///
    /// `load` is called for each load, in this task or for one in the background; what its future needs it has to
    /// own. A load in the background runs in a task of its own, in the caller's scope, and ends with the cache; how
    /// many there may be is the builder's [`refresh_limit`](crate::CacheBuilder::refresh_limit). Its value takes the
    /// place of the very entry that was found old, or is dropped: an invalidation in between refuses it. When it
    /// fails or panics the entry stays, and for a second this process does not try again.
    ///
    /// # Errors
    ///
    /// What `load` returns, where the caller had to wait for it, as with [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_load`](Self::get_or_load); a load in the background goes on.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cachekit::{Cache, Policy, key};
    ///
    /// # #[derive(Clone)] struct Db;
    /// # impl Db { async fn name(&self, id: u64) -> Result<String, std::io::Error> { Ok(format!("user {id}")) } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let db = Db;
    /// let cache = Cache::builder().build()?;
    /// let policy = Policy::new(Duration::from_secs(60))
    ///     .refresh_ahead_percent(20)
    ///     .stale_while_revalidate(Duration::from_secs(600));
    /// let id = 7;
    /// let load = || {
    ///     let db = db.clone();
    ///     async move { db.name(id).await }
    /// };
    /// assert_eq!(cache.get_or_refresh(key!("name:<id>"), &policy, load).await?, "user 7");
    /// # Ok(())
    /// # }
    /// ```
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
        let call = Call::new(&SITE, Some(self));
        get_or_refresh(call, key, policy, load).await
    }
}

pub(super) async fn get_or_refresh<T, E, F, Fut>(
    call: Call<'_>,
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
    refreshing(call, key, policy, Form::result(), load).await
}

pub(super) async fn refreshing<T, E, F, Fut>(
    call: Call<'_>,
    key: Key,
    policy: &Policy,
    form: Form<Result<T, E>>,
    load: F,
) -> Result<T, E>
where
    T: Value,
    E: 'static,
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
{
    let job = |load: &F| -> Job {
        let (load, split) = (load(), form.split);
        Box::pin(async move { Brought(split(&load.await), None) })
    };
    let plan = Owning::new(load, |load: F| load(), job);
    __private::read_ahead(call, &KeyBuf::from(key), policy, form, plan).await
}
