//! Cache-aside for loads whose errors say whether others may be told of them.

use std::sync::Arc;

use super::{Policy, Tagged, get_or_load::refreshing};
use crate::{
    __private::{Form, Shared, Split},
    key::Key,
    value::Value,
};

/// An error of a load that says whether those who waited for that load are given it as well.
pub trait ToldError: Sized + Send + Sync + 'static {
    /// One for somebody else; `None` where they had better load for themselves.
    fn to_others(&self) -> Option<Self>;

    /// Whether its source failed, so that an old value may stand in for it, and nobody tries again for a while. If not,
    /// it is an outcome like others, though its caller's alone. `true` by default.
    fn is_failure(&self) -> bool {
        true
    }
}

impl Tagged<'_> {
    /// [`get_or_refresh`](Self::get_or_refresh) for errors that some of those who waited for the load are told: one
    /// that says so ends the wait of all of them, any other is its caller's alone.
    ///
    /// # Errors
    ///
    /// What `load` returns, where the caller had to wait for it, its own or another caller's.
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::get_or_refresh`](crate::Cache::get_or_refresh).
    ///
    /// ```
    /// use std::time::Duration;
    /// use cachekit_core::{Cache, Policy, ToldError};
    /// # use cachekit_core::{Key, Error, key::RuntimeTemplate};
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct Away;
    ///
    /// impl ToldError for Away {
    ///     fn to_others(&self) -> Option<Self> {
    ///         Some(Away)
    ///     }
    /// }
    ///
    /// # fn key(text: &str) -> Result<Key, Error> {
    /// #     RuntimeTemplate::parse(text)?.expand(|_, _| Ok::<_, Error>(()))
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let cache = Cache::builder().build()?;
    /// let policy = Policy::new(Duration::from_secs(60));
    /// let load = || async { Err::<u64, _>(Away) };
    /// let rates = cache.tagged([key("rates")?]);
    /// assert_eq!(rates.get_or_refresh_told(key("rate:eur")?, &policy, load).await, Err(Away));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_or_refresh_told<T, E, F, Fut>(
        &self,
        key: Key,
        policy: &Policy,
        load: F,
    ) -> Result<T, E>
    where
        T: Value,
        E: ToldError,
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        refreshing(self.call(), key, policy, form(), load).await
    }
}

fn form<T: Value, E: ToldError>() -> Form<Result<T, E>> {
    Form {
        split: |out| match out {
            Ok(value) => Split::Value(Arc::new(value.clone())),
            Err(error) if !error.is_failure() => Split::Apart,
            Err(error) => Split::Failed(error.to_others().map(|error| Arc::new(error) as Shared)),
        },
        error: Some(|shared| shared.downcast_ref::<E>()?.to_others().map(Err)),
        ..Form::result()
    }
}
