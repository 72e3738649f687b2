//! Cache-aside without attributes.

use super::{Cache, Policy};
use crate::{
    __private::{self, Call, Form, Site},
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
        let call = Call { site: &SITE, cache: Some(self), in_transaction: false, filter: None };
        let form = Form::<Result<T, E>>::result();
        __private::read(call, &KeyBuf::from(key), *policy, form, move || load()).await
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
        let call = Call { site: &SITE, cache: Some(self), in_transaction: false, filter: None };
        let form = Form::<Result<Option<T>, E>>::optional();
        __private::read(call, &KeyBuf::from(key), *policy, form, move || load()).await
    }
}
