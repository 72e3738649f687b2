//! What is said once of a function that caches nothing here.

use crate::{
    __private::{Codec, Site},
    engine::Engine,
    store::Store,
};

pub(super) fn of_no_cache(site: &Site) {
    if site.warns() {
        tracing::warn!(
            function = site.name,
            "no cache is in scope or installed, so nothing is cached; call `Cache::install`"
        );
    }
}

pub(super) fn of_no_tier(site: &Site, engine: &Engine, codec: Option<&Codec>) {
    if codec.is_none() && !matches!(engine.store, Store::Embedded) && site.warns() {
        tracing::warn!(
            function = site.name,
            "a `local` function has no tier to be cached in here, so each call loads"
        );
    }
}
