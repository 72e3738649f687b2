//! A write with its invalidations.

use std::time::Duration;

use super::{Form, Site, Split};
use crate::{
    cache::{Answer, Cache, Context, Outcome, Policy},
    engine::Engine,
    key::{Key, KeyBuf, Tag},
    write::{Armed, Through},
};

/// What an `#[invalidates]` says besides its keys.
#[derive(Debug)]
pub struct WriteRules<R> {
    /// With `on_err = "keep"`: whether this output proves that nothing was written.
    pub failed: Option<fn(&R) -> bool>,
    /// A second invalidation after this time.
    pub again_after: Option<Duration>,
}

/// Runs `body` and invalidates `keys` however it ends, and those that `ret_keys` finds in its
/// output.
///
/// # Panics
///
/// Before `body` runs, if there is no cache: no write without its invalidation.
///
/// # Cancel safety
///
/// Dropped once `body` has begun, the invalidations go on in the background.
pub async fn write<R, K, F, Fut>(
    site: &'static Site,
    cache: Option<&Cache>,
    keys: Vec<Key>,
    rules: WriteRules<R>,
    ret_keys: K,
    body: F,
) -> R
where
    K: FnOnce(&R, &mut Vec<Key>),
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    let cache = resolve(site, cache);
    let Some(engine) = cache.engine() else { return body().await };
    note(engine, site, &keys);
    let mut armed = Armed::new(engine, keys, rules.again_after);
    let out = body().await;
    if rules.failed.is_some_and(|failed| failed(&out)) {
        armed.disarm();
        return out;
    }
    let known = armed.keys().len();
    ret_keys(&out, armed.keys());
    note(engine, site, &armed.keys()[known..]);
    finish(armed).await;
    out
}

/// Runs `body` and leaves the value it returns under `key`, stamped with its tags, if nothing has happened to that since; else, and however
/// else the body ends, `key` is invalidated.
///
/// # Panics
///
/// Before `body` runs, if there is no cache.
///
/// # Cancel safety
///
/// Dropped once `body` has begun, `key` is invalidated in the background.
pub async fn write_through<R, F, Fut>(
    site: &'static Site,
    cache: Option<&Cache>,
    (key, tags): (KeyBuf, &[Tag]),
    policy: Policy,
    form: Form<R>,
    body: F,
) -> R
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    let cache = resolve(site, cache);
    let Some(engine) = cache.engine() else { return body().await };
    let key = key.into_key();
    note(engine, site, std::slice::from_ref(&key));
    engine.sites.note_tags(site, key.template(), tags);
    let through = Through::begin(engine, key, tags, &policy).await;
    let out = body().await;
    let written = match (form.split)(&out) {
        Split::Value(value) => Some(Answer::Value(value)),
        Split::Absent | Split::Failed(_) | Split::Apart => None,
    };
    receive(through.finish(written, form.codec, &policy).await);
    out
}

/// Not generic: one copy for all writers.
async fn finish(armed: Armed) {
    receive(armed.fire().outcomes().await);
}

fn receive(outcomes: Vec<(Key, Outcome)>) {
    Context::with(|context| {
        if let Some(receipts) = context.and_then(|context| context.receipts.as_ref()) {
            receipts.add(outcomes);
        }
    });
}

fn resolve(site: &Site, cache: Option<&Cache>) -> Cache {
    let found = match cache {
        Some(cache) => Some(cache.clone()),
        None => Context::with(|context| Context::ambient(context).cloned()),
    };
    match found {
        Some(cache) => cache,
        None => panic!(
            "`{}` invalidates a cache, but none is in scope or installed; call `Cache::install`, \
             or in tests `#[cachekit::isolated]`",
            site.name
        ),
    }
}

fn note(engine: &Engine, site: &'static Site, keys: &[Key]) {
    for key in keys {
        engine.sites.note(site, key.template());
    }
}
