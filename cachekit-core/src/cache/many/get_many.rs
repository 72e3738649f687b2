//! Cache-aside for many keys, without attributes.

use std::{collections::HashMap, hash::Hash};

use crate::{
    __private::{Call, Lost, ManyForm, ManyRead, ManyShape, Owned, Site},
    cache::{Cache, Policy},
    key::Key,
    value::Value,
};

static SITE: Site = Site::read_many("Cache::get_many", "", file!(), line!());

impl Cache {
    /// The cached values of many ids, and of those that are missing what one call of `load` brings.
    ///
    /// `key` gives each id's key: the same as that of a read of this one id, for both share the
    /// entry. The result has every id in the order it was given; one that is given twice is loaded
    /// once and answered twice. An id that `load` leaves out is not there, which is kept for the
    /// policy's [`negative_ttl`](Policy::negative_ttl).
    ///
    /// Over Redis all keys are read in one write, and filled in one, 512 at a time. Each has a lease
    /// of its own: an invalidation that overtakes the load voids the one value, and the others are
    /// kept. What another caller is loading at the moment is waited for; should that fail, `load` is
    /// called again, with just what is missing then. It is never called twice for one id.
    ///
    /// ```
    /// use std::{collections::HashMap, time::Duration};
    /// use cachekit::{Cache, Policy, key};
    ///
    /// async fn select(ids: &[i64]) -> std::io::Result<HashMap<i64, String>> {
    ///     // select id, name from users where id = any($1)
    ///     Ok(ids.iter().filter(|id| **id > 0).map(|id| (*id, format!("user {id}"))).collect())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cache = Cache::builder().build()?;
    /// let policy = Policy::new(Duration::from_secs(60));
    /// let load = async |missing: Vec<i64>| select(&missing).await;
    /// let users = cache.get_many([7, 0, 8], |id| key!("user:<id>"), &policy, load).await?;
    /// assert_eq!(users[0], (7, Some("user 7".to_owned())));
    /// assert_eq!(users[1], (0, None));
    /// assert_eq!(users[2].1.as_deref(), Some("user 8"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What `load` returns; what was found of the other ids is not lost to later reads. Callers that
    /// waited for a load that failed run their own.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way, callers that wait for one of these keys go on with a load of their own.
    pub async fn get_many<I, T, M, E, F, Fut>(
        &self,
        ids: impl IntoIterator<Item = I>,
        key: impl Fn(&I) -> Key,
        policy: &Policy,
        mut load: F,
    ) -> Result<Vec<(I, Option<T>)>, E>
    where
        I: Clone + Eq + Hash,
        T: Value,
        M: IntoIterator<Item = (I, T)>,
        F: FnMut(Vec<I>) -> Fut,
        Fut: Future<Output = Result<M, E>>,
    {
        let keyed = |id: I| {
            let key = key(&id);
            (id, key)
        };
        let asked = ids.into_iter().map(keyed).collect();
        let call = Call::new(&SITE, Some(self));
        let mut read = ManyRead::begin(call, asked, *policy, form());
        while let Some(missing) = read.next().await {
            let out = Box::pin(read.load(load(missing))).await;
            read.settle(out).await;
        }
        read.finish()
    }
}

type Found<I, T, E> = Result<Vec<(I, Option<T>)>, E>;
type PairsForm<I, T, M, E> = ManyForm<I, T, E, Result<M, E>, Found<I, T, E>>;

/// Takes a loader's pairs apart, and gives each id with what it has.
fn form<I, T, M, E>() -> PairsForm<I, T, M, E>
where
    I: Eq + Hash,
    T: Value,
    M: IntoIterator<Item = (I, T)>,
{
    let shape = ManyShape {
        open: |out: Result<M, E>, ids: &[&I]| {
            let mut pairs: HashMap<_, _> = out?.into_iter().collect();
            Ok(ids.iter().map(|id| pairs.remove(*id)).collect())
        },
        close: |answers| Ok(answers),
        failed: Some(|error| Err(error)),
    };
    ManyForm::of::<Owned<T>, Lost<E>>(shape, Some(T::CODEC))
}
