//! What a task carries along: the cache in scope, what a wrapper asked for, the loads it is in.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

#[cfg(feature = "session")]
use super::session::Pin;
use super::{Cache, Receipts, Status, collector::Collector};
use crate::{
    engine::Engine,
    key::{Key, KeyRef, Tag},
    sync::task_local,
};

task_local! {
    static CONTEXT: Context;
}

static INSTALLED: OnceLock<Cache> = OnceLock::new();

/// How the outermost cached reads are to go about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Normal,
    Bypass,
    Refresh,
}

/// One task-local for everything, so that a read looks once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) cache: Option<Cache>,
    pub(crate) mode: Mode,
    pub(crate) status: Option<Arc<OnceLock<Status>>>,
    /// Set once something out of date was answered inside.
    pub(crate) stale: Option<Arc<AtomicBool>>,
    pub(crate) receipts: Option<Receipts>,
    pub(crate) collector: Option<Collector>,
    pub(super) loading: Option<Arc<Loading>>,
    #[cfg(test)]
    pub(super) _clones: tests::Clones,
}

/// A key whose load is under way in this task, and what that load stands in.
#[derive(Debug)]
pub(super) struct Loading {
    engine: usize,
    keys: Keys,
    outer: Option<Arc<Loading>>,
}

/// What one load brings.
#[derive(Debug)]
enum Keys {
    One(Key),
    Many(Vec<Key>),
}

impl Keys {
    fn contain(&self, key: &str) -> bool {
        match self {
            Self::One(held) => held.as_str() == key,
            Self::Many(held) => held.iter().any(|held| held.as_str() == key),
        }
    }
}

impl Context {
    /// Looks at the current context without cloning it: that would cost as much as a hit.
    #[inline]
    pub(crate) fn with<T>(look: impl FnOnce(Option<&Self>) -> T) -> T {
        // `try_with` cannot give `look` back when there is no context, hence the `Option`.
        let mut look = Some(look);
        CONTEXT
            .try_with(|context| look.take().map(|look| look(Some(context))))
            .ok()
            .flatten()
            .unwrap_or_else(|| look.take().expect("called at most once")(None))
    }

    pub(crate) fn current() -> Self {
        Self::with(|context| context.cloned().unwrap_or_default())
    }

    /// Runs `future` in this context.
    pub(crate) async fn scope<F: Future>(self, future: F) -> F::Output {
        CONTEXT.scope(self, future).await
    }

    /// Runs `work` in this context.
    pub(crate) fn enter<T>(self, work: impl FnOnce() -> T) -> T {
        CONTEXT.sync_scope(self, work)
    }

    /// The cache that a call without an explicit one uses.
    #[inline]
    pub(crate) fn ambient(context: Option<&Self>) -> Option<&Cache> {
        context.and_then(|context| context.cache.as_ref()).or_else(|| INSTALLED.get())
    }

    /// Makes `cache` the one that is used where none is in scope.
    pub(crate) fn install(cache: Cache) -> Result<(), Cache> {
        INSTALLED.set(cache)
    }

    /// From where this key may not be answered, for what the client's session wrote.
    #[cfg(feature = "session")]
    #[inline]
    pub(super) fn pin(&self, key: &KeyRef<'_>, tags: &[Tag]) -> Option<Pin> {
        self.collector.as_ref()?.pin(key, tags)
    }

    /// Whether a copy in this process is no answer.
    #[cfg(feature = "session")]
    #[inline]
    pub(super) fn is_pinned(&self, key: &KeyRef<'_>, tags: &[Tag]) -> bool {
        self.pin(key, tags).is_some()
    }

    /// A write begins in this context.
    pub(crate) fn note_write() {
        Self::with(|context| {
            if let Some(collector) = context.and_then(|context| context.collector.as_ref()) {
                collector.note_write();
            }
        });
    }

    /// Tells the wrappers around a call how that got its answer.
    #[inline]
    pub(crate) fn tell(&self, status: Status) {
        if let Some(cell) = &self.status {
            let _first = cell.set(status);
        }
        if status == Status::Stale {
            self.tell_stale();
        }
    }

    /// Tells them that an answer was out of date.
    pub(crate) fn tell_stale(&self) {
        if let Some(stale) = &self.stale {
            stale.store(true, Ordering::Release);
        }
    }

    /// The context of a body: wrappers around the call do not reach the calls inside it.
    pub(crate) fn inside(&self) -> Self {
        Self { mode: Mode::Normal, status: None, ..self.clone() }
    }

    /// The context of a load of `key`.
    pub(crate) fn loading(&self, engine: &Arc<Engine>, key: Key) -> Self {
        self.loading_keys(engine, Keys::One(key))
    }

    /// The context of one load of all these keys.
    pub(crate) fn loading_many(&self, engine: &Arc<Engine>, keys: Vec<Key>) -> Self {
        self.loading_keys(engine, Keys::Many(keys))
    }

    fn loading_keys(&self, engine: &Arc<Engine>, keys: Keys) -> Self {
        let outer = self.loading.clone();
        let loading = Loading { engine: identity(engine), keys, outer };
        Self { loading: Some(Arc::new(loading)), ..self.inside() }
    }

    /// The context of a load of `key` that outlives its caller: it keeps no cache alive, and nobody is told of what
    /// it invalidates.
    pub(crate) fn in_background(&self, engine: &Arc<Engine>, key: Key) -> Self {
        let cache = self.cache.as_ref().map(Cache::unowned);
        Self { cache, receipts: None, collector: None, stale: None, ..self.loading(engine, key) }
    }

    /// Whether this task is inside a load of that key, and so must not wait for one.
    pub(crate) fn is_loading(&self, engine: &Arc<Engine>, key: &str) -> bool {
        let engine = identity(engine);
        self.loads().any(|load| load.engine == engine && load.keys.contain(key))
    }

    /// Whether this task is inside any load of that cache.
    pub(crate) fn is_nested(&self, engine: &Arc<Engine>) -> bool {
        let engine = identity(engine);
        self.loads().any(|load| load.engine == engine)
    }

    /// Whether a copy in this process is no answer, for it would be stored for everybody: what they are told of has
    /// perhaps not come here yet.
    #[inline]
    pub(super) fn passes_copies(&self, engine: &Arc<Engine>) -> bool {
        engine.copies.is_some() && self.is_nested(engine)
    }

    /// Whether what is in this process may answer a read of this key.
    #[inline]
    pub(super) fn looks_here(&self, engine: &Arc<Engine>, key: &KeyRef<'_>, tags: &[Tag]) -> bool {
        self.mode == Mode::Normal && self.takes_copies(engine, key, tags)
    }

    /// Whether a copy in this process is an answer to this caller.
    #[cfg_attr(not(feature = "session"), allow(unused_variables))]
    #[inline]
    pub(super) fn takes_copies(
        &self,
        engine: &Arc<Engine>,
        key: &KeyRef<'_>,
        tags: &[Tag],
    ) -> bool {
        #[cfg(feature = "session")]
        if self.is_pinned(key, tags) {
            return false;
        }
        !self.passes_copies(engine)
    }

    fn loads(&self) -> impl Iterator<Item = &Loading> {
        std::iter::successors(self.loading.as_deref(), |load| load.outer.as_deref())
    }
}

fn identity(engine: &Arc<Engine>) -> usize {
    Arc::as_ptr(engine) as usize
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{
        __private::{Call, Form, KeyBuf, Site, read},
        cache::{Policy, Status, bypass, with_status},
        ttl::Ttl,
    };

    thread_local! {
        static CLONES: Cell<usize> = const { Cell::new(0) };
    }

    /// Counts the clones of what it stands in.
    #[derive(Debug, Default)]
    pub(in crate::cache) struct Clones;

    impl Clone for Clones {
        fn clone(&self) -> Self {
            CLONES.set(CLONES.get() + 1);
            Self
        }
    }

    /// As an annotated function reads.
    async fn find(id: u64) -> Result<u64, ()> {
        static SITE: Site = Site::read("find", "item:<id>", file!(), line!());
        const POLICY: Policy = Policy::from_parts(Ttl::from_millis(60_000, 0), None);
        let key = KeyBuf::new("item:<id>", |w| {
            w.literal("item:");
            w.value(&id);
        });
        let call = Call::new(&SITE, None);
        read(call, &key, &POLICY, Form::<Result<u64, ()>>::result(), || async move { Ok(id) }).await
    }

    #[tokio::test]
    async fn hit_clones_no_context() {
        let reads = async {
            find(1).await.unwrap();
            let loaded = CLONES.get();
            assert_ne!(loaded, 0, "a load carries a context of its own");
            assert_eq!(find(1).await, Ok(1));
            assert_eq!(CLONES.get(), loaded);
            bypass(find(1)).await.unwrap();
            assert_ne!(CLONES.get(), loaded);
        };
        let cache = Cache::builder().build().unwrap();
        let ((), status) = with_status(cache.scope(reads)).await;
        assert_eq!(status, Status::Loaded);
    }
}
