//! Loads that may say that the old value still holds.

use std::{ops::Deref, sync::Arc};

use super::{Cache, Policy};
use crate::{
    __private::{self, Call, Comparing, Form, Site, Split},
    key::{Key, KeyBuf},
    value::Value,
};

static SITE: Site = Site::read("Cache::get_or_revalidate", "", file!(), line!());

/// The value that a load is to replace: it is past its time to live, and was not invalidated.
#[derive(Clone, Debug)]
pub struct Previous<T>(Arc<T>);

/// What a load brought: a new value, or the old one for another time to live.
#[derive(Clone, Debug)]
#[must_use = "return it from the load"]
pub struct Fresh<T>(Arc<T>);

impl<T> Previous<T> {
    /// It still holds: its time to live begins anew.
    pub fn unchanged(self) -> Fresh<T> {
        Fresh(self.0)
    }
}

impl<T> Fresh<T> {
    /// A new value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Previous<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Cache {
    /// [`get_or_load`](Self::get_or_load) for loads that can ask whether the value they brought last still holds: a
    /// request with `If-None-Match`, a look at a version.
    ///
    /// `load` is given that value if it is still there past its TTL, for which the policy keeps it:
    /// [`revalidate_within`](Policy::revalidate_within) for this purpose alone. It was not invalidated by then; if it
    /// is during the load, nothing is kept, whatever `load` says.
    ///
    /// # Errors
    ///
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_load`](Self::get_or_load).
    ///
    /// ```
    /// use std::time::Duration;
    /// use cachekit::{Cache, Fresh, Policy, Previous, key};
    ///
    /// #[derive(Clone, serde::Serialize, serde::Deserialize)]
    /// struct Page {
    ///     etag: String,
    ///     text: String,
    /// }
    ///
    /// # async fn fetch(etag: Option<&str>) -> Result<Option<Page>, std::io::Error> {
    /// #     Ok(etag.is_none().then(|| Page { etag: "1".into(), text: "hello".into() }))
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::builder().build()?;
    /// let policy = Policy::new(Duration::from_secs(60)).revalidate_within(Duration::from_secs(86_400));
    /// let load = async |old: Option<Previous<Page>>| -> Result<Fresh<Page>, std::io::Error> {
    ///     let page = fetch(old.as_ref().map(|page| page.etag.as_str())).await?;
    ///     match (page, old) {
    ///         (None, Some(old)) => Ok(old.unchanged()), // 304
    ///         (None, None) => Err(std::io::Error::other("nothing to compare with was sent")),
    ///         (Some(page), _) => Ok(Fresh::new(page)),
    ///     }
    /// };
    /// let page = cache.get_or_revalidate(key!("page:home"), &policy, load).await?;
    /// assert_eq!(page.text, "hello");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get_or_revalidate<T, E, F>(
        &self,
        key: Key,
        policy: &Policy,
        load: F,
    ) -> Result<T, E>
    where
        T: Value,
        F: AsyncFnOnce(Option<Previous<T>>) -> Result<Fresh<T>, E>,
    {
        let call = Call::new(&SITE, Some(self));
        let plan = Comparing::new(move |old: Option<__private::Shared>| {
            load(old.and_then(|old| old.downcast().ok()).map(Previous))
        });
        let read = __private::read_by(call, &KeyBuf::from(key), policy, form::<T, E>(), plan);
        read.await.map(|fresh| Arc::unwrap_or_clone(fresh.0))
    }
}

fn form<T: Value, E>() -> Form<Result<Fresh<T>, E>> {
    Form {
        split: |out| match out {
            Ok(fresh) => Split::Value(fresh.0.clone()),
            Err(_) => Split::Failed(None),
        },
        value: |shared| shared.downcast().ok().map(|value| Ok(Fresh(value))),
        absent: None,
        error: None,
        fail: None,
        codec: Some(T::CODEC),
    }
}
