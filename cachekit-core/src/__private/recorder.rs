//! A write inside a transaction, which carries its invalidations until the commit.

use super::Site;
use crate::key::Key;

/// What takes the keys of an `#[invalidates(.., tx = ..)]`.
#[diagnostic::on_unimplemented(
    message = "`tx = …` must be a `cachekit::Transaction`, not `{Self}`",
    label = "this does not carry invalidations to its commit",
    note = "wrap it where it is begun: `cache.begin(&pool)`, or `cache.adopt(pool.begin().await?)`"
)]
pub trait Recorder {
    /// Notes the keys.
    fn record(&mut self, site: &'static Site, keys: Vec<Key>);
}

impl<T: Recorder + ?Sized> Recorder for &mut T {
    fn record(&mut self, site: &'static Site, keys: Vec<Key>) {
        (**self).record(site, keys);
    }
}

#[cfg(feature = "_sqlx")]
mod transactions {
    use sqlx::Database;

    use super::{Key, Recorder, Site};
    use crate::sql::{Savepoint, Transaction};

    impl<DB: Database> Recorder for Transaction<'_, DB> {
        fn record(&mut self, site: &'static Site, keys: Vec<Key>) {
            if let Some(engine) = self.cache().engine() {
                keys.iter().for_each(|key| engine.sites.note(site, key.template()));
            }
            self.invalidate_many(keys);
        }
    }

    impl<DB: Database> Recorder for Savepoint<'_, DB> {
        fn record(&mut self, site: &'static Site, keys: Vec<Key>) {
            (**self).record(site, keys);
        }
    }
}

/// Notes keys in the transaction that `tx = ..` names.
pub fn record<T: Recorder + ?Sized>(tx: &mut T, site: &'static Site, keys: Vec<Key>) {
    tx.record(site, keys);
}

/// Notes the keys that name the result.
pub fn record_ret<T, R>(
    tx: &mut T,
    site: &'static Site,
    out: &R,
    ret_keys: impl FnOnce(&R, &mut Vec<Key>),
) where
    T: Recorder + ?Sized,
{
    let mut keys = Vec::new();
    ret_keys(out, &mut keys);
    tx.record(site, keys);
}
