//! Readers, and the many ways in which they ask and go away.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use super::{
    database::{Database, Found, Unlucky},
    server::{percent, pick},
    world::World,
};
use crate::{
    __private::{self, Call, Form, Site, Split},
    cache::{Cache, Policy, Tagged, refresh},
    key::{Key, KeyBuf},
    ttl::Ttl,
};

pub(super) const POLICY: Policy = Policy::from_parts(Ttl::from_millis(60_000, 0), None);

/// For values that are answered for long after their time.
pub(super) const STALE: Policy = POLICY.stale_while_revalidate(Duration::from_secs(600));

/// How a read is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// `get_or_load`, whose errors are not shared.
    Plain,
    /// As an attribute does it for an error that can be cloned.
    SharedError,
    /// `get_or_load_optional`; absences are kept.
    Optional,
    /// `get_or_load_optional`; absences are not kept.
    NeverAbsent,
    /// In another schema than the others.
    OtherSchema,
    Refresh,
    /// `get_or_load`, answered with what is out of date while another caller loads.
    Anew,
    /// `get_or_refresh`: what is out of date is loaded anew in the background.
    Ahead,
}

/// Reads once and checks what it got.
pub(super) async fn read(world: &World, process: usize, manner: Manner) {
    let floor = world.db.floor(process);
    let (cache, key) = (&world.caches[process], world.key.clone());
    let found = match &world.tag {
        None => found(cache, key, &world.db, manner).await,
        Some(tag) => found_under(&cache.tagged([tag.clone()]), key, &world.db, manner).await,
    };
    if let Ok(found) = found {
        world.db.check(floor, found);
    }
}

async fn found_under(
    tagged: &Tagged<'_>,
    key: Key,
    db: &Arc<Database>,
    manner: Manner,
) -> Result<Found, Unlucky> {
    let load = async || db.load().await;
    let optional = async || db.load().await.map(|version| (version % 2 == 0).then_some(version));
    let found = match manner {
        Manner::Optional => tagged.get_or_load_optional(key, &POLICY, optional).await,
        Manner::NeverAbsent => {
            tagged.get_or_load_optional(key, &POLICY.never_absent(), optional).await
        }
        Manner::Refresh => refresh(tagged.get_or_load(key, &POLICY, load)).await.map(Some),
        Manner::Ahead => {
            let owned = || {
                let db = db.clone();
                async move { db.load().await }
            };
            tagged.get_or_refresh(key, &STALE, owned).await.map(Some)
        }
        _ => tagged.get_or_load(key, &POLICY, load).await.map(Some),
    };
    found.map(|found| found.map_or(Found::Absent, Found::Version))
}

pub(super) async fn found(
    cache: &Cache,
    key: Key,
    db: &Arc<Database>,
    manner: Manner,
) -> Result<Found, Unlucky> {
    let load = async || db.load().await;
    let optional = async || db.load().await.map(|version| (version % 2 == 0).then_some(version));
    let other = async || db.load().await.map(|version| version.cast_signed());
    let found = match manner {
        Manner::Plain => cache.get_or_load(key, &POLICY, load).await.map(Some),
        Manner::SharedError => shared_error(cache, key, load).await.map(Some),
        Manner::Optional => cache.get_or_load_optional(key, &POLICY, optional).await,
        Manner::NeverAbsent => {
            cache.get_or_load_optional(key, &POLICY.never_absent(), optional).await
        }
        Manner::OtherSchema => {
            let found: Result<i64, _> = cache.get_or_load(key, &POLICY, other).await;
            found.map(|version| Some(version.cast_unsigned()))
        }
        Manner::Anew => cache.get_or_load(key, &STALE, load).await.map(Some),
        Manner::Ahead => {
            let owned = || {
                let db = db.clone();
                async move { db.load().await }
            };
            cache.get_or_refresh(key, &STALE, owned).await.map(Some)
        }
        Manner::Refresh => refresh(cache.get_or_load(key, &POLICY, load)).await.map(Some),
    };
    found.map(|found| found.map_or(Found::Absent, Found::Version))
}

/// Reads as an attribute does it for an error that can be cloned.
pub(super) async fn shared_error<E: Clone + Send + Sync + 'static>(
    cache: &Cache,
    key: Key,
    load: impl AsyncFnOnce() -> Result<u64, E>,
) -> Result<u64, E> {
    static SITE: Site = Site::read("shared_error", "row:<id>", file!(), line!());
    let call = Call::new(&SITE, Some(cache));
    let form = Form::<Result<u64, E>> {
        split: |out| match out {
            Ok(version) => Split::Value(std::sync::Arc::new(*version)),
            Err(error) => Split::Failed(Some(std::sync::Arc::new(error.clone()))),
        },
        error: Some(|error| error.downcast_ref().cloned().map(Err)),
        ..Form::result()
    };
    __private::read(call, &KeyBuf::from(key), &POLICY, form, move || load()).await
}

/// Polls `future` a random number of times and drops it, sometimes instead of the poll that it was
/// woken for.
pub(super) async fn fickle<F: Future>(future: F) -> Option<F::Output> {
    let mut polls = pick(12).min(pick(12));
    let at_once = percent() < 50;
    let mut future = Box::pin(future);
    poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(out) => Poll::Ready(Some(out)),
            Poll::Pending if polls == 0 && at_once => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Polls a read for a while and holds it, unpolled, during another read of its own.
pub(super) async fn hoard(world: &World, process: usize, manner: Manner) {
    let mut held = Box::pin(read(world, process, manner));
    let mut polls = 1 + pick(10);
    let ended = poll_fn(|cx| {
        polls -= 1;
        match held.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if polls == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    if ended {
        return;
    }
    read(world, process, manner).await;
    if percent() < 50 {
        held.await;
    }
}
