//! How a read of many keys goes: hits at once, one load for what is missing, one report a key.

use std::sync::Arc;

use super::{
    batch::{Batch, Given, Go},
    together::together,
};
use crate::{
    __private::{Call, Codec, Shared, Site, Split},
    cache::{Answer, Ask, Cache, Context, Mode, Policy, Refresh, Status, start::past, warnings},
    engine::Engine,
    key::Key,
    tier::Entry,
};

/// What the caller of a read of many keys is to do now.
#[derive(Debug)]
pub(crate) enum ManyStep {
    /// Run your loader for these places, then [`Many::settle`].
    Load(Vec<usize>),
    /// Somebody else's load of this place failed with this error.
    Failed(usize, Shared),
    /// Every place has its answer.
    Done,
}

/// The places whose load is under way, besides refreshes.
#[derive(Debug, Default)]
struct Loading {
    past: Vec<usize>,
    batch: Vec<usize>,
}

/// A read of many keys, each of which is asked for once.
#[derive(Debug)]
pub(crate) struct Many {
    site: &'static Site,
    /// The caller's own.
    context: Context,
    engine: Option<Arc<Engine>>,
    keys: Vec<Key>,
    answers: Vec<Option<Answer>>,
    status: Option<Status>,
    /// Places that are loaded without the cache.
    past: Vec<usize>,
    refreshes: Vec<(usize, Refresh)>,
    batch: Option<Batch>,
    loading: Loading,
    #[cfg(feature = "metrics")]
    began: std::time::Instant,
}

impl Many {
    /// Finds what this process has, and a way for everything else.
    pub(crate) fn start(
        call: &Call<'_>,
        keys: Vec<Key>,
        policy: Policy,
        codec: Option<&'static Codec>,
    ) -> Box<Self> {
        Context::with(|context| {
            let cache = call.cache.or_else(|| Context::ambient(context));
            let mut many = Self::new(call, cache, keys);
            many.find(call, cache.is_some(), Ask { policy, codec, optional: true, nested: false });
            many
        })
    }

    fn new(call: &Call<'_>, cache: Option<&Cache>, keys: Vec<Key>) -> Box<Self> {
        Box::new(Self {
            site: call.site,
            context: Context::current(),
            engine: cache.and_then(Cache::engine).cloned(),
            answers: keys.iter().map(|_| None).collect(),
            keys,
            status: None,
            past: Vec::new(),
            refreshes: Vec::new(),
            batch: None,
            loading: Loading::default(),
            #[cfg(feature = "metrics")]
            began: std::time::Instant::now(),
        })
    }

    fn find(&mut self, call: &Call<'_>, has_cache: bool, ask: Ask) {
        let places = 0..self.keys.len();
        let Some(engine) = self.engine.clone() else {
            if !has_cache {
                warnings::of_no_cache(call.site);
            }
            self.past = places.collect();
            return;
        };
        if let Some(key) = self.keys.first() {
            engine.sites.note(call.site, key.template());
        }
        let ask = Ask { nested: self.context.is_nested(&engine), ..ask };
        let missing: Vec<_> =
            places.filter(|place| !self.is_found(call, &engine, &ask.policy, *place)).collect();
        let mut missing: Vec<_> =
            missing.into_iter().map(|place| (place, self.keys[place].clone())).collect();
        if !missing.is_empty() {
            warnings::of_no_tier(call.site, &engine, ask.codec);
        }
        if self.context.mode == Mode::Refresh {
            // Side by side they would wait for one another's turns.
            let each = Ask { nested: true, ..ask };
            let refresh = |(place, key)| (place, Refresh::new(&engine, key, each, None));
            self.refreshes = missing.drain(..).map(refresh).collect();
        }
        self.batch = Some(Batch::new(&engine, missing, ask));
    }

    /// Whether the place needs no flight: it is a hit in this process, or the cache is not for it.
    fn is_found(
        &mut self,
        call: &Call<'_>,
        engine: &Arc<Engine>,
        policy: &Policy,
        place: usize,
    ) -> bool {
        let key = &self.keys[place];
        if let Some(reason) = past(call, &self.context, engine, key) {
            engine.reporter.bypass(key.template(), reason);
            self.past.push(place);
            return true;
        }
        if self.context.mode != Mode::Normal
            || !engine.serves_here(policy)
            || self.context.passes_copies(engine)
        {
            return false;
        }
        #[cfg(feature = "session")]
        if self.context.is_pinned(&key.as_ref(), call.tags) {
            return false;
        }
        let good = |(entry, now_ms): &(Entry, u64)| {
            let stale_ms = entry.extra().and_then(|extra| extra.stale_ms);
            stale_ms.is_none_or(|stale_ms| *now_ms < stale_ms)
        };
        let found = engine.local(&key.as_ref()).filter(good);
        let Some((entry, _)) = found else { return false };
        engine.reporter.local_hit();
        self.answers[place] = Some(entry.into_answer());
        self.note(Status::Hit);
        true
    }

    /// The span of everything that is no hit in this process.
    pub(crate) fn span(&self) -> tracing::Span {
        let template = self.keys.first().map_or(self.site.template, Key::template);
        let keys = self.keys.len();
        tracing::debug_span!("cachekit.read_many", template, keys, outcome = tracing::field::Empty)
    }

    /// Whether every place has its answer.
    pub(crate) fn is_done(&self) -> bool {
        self.answers.iter().all(Option::is_some)
    }

    /// Goes on until there is something to load, or nothing left to do.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way together with the read, its flights go on.
    pub(crate) async fn next(&mut self) -> ManyStep {
        let past = std::mem::take(&mut self.past);
        together(self.refreshes.iter_mut().map(|(_, refresh)| refresh.next())).await;
        let mut places = past.clone();
        places.extend(self.refreshes.iter().map(|(place, _)| *place));
        let mut loading = Loading { past, batch: Vec::new() };
        if let Some(batch) = &mut self.batch {
            let go = batch.next(places.is_empty()).await;
            self.take_given();
            match go {
                Go::Load(more) => loading.batch = more,
                Go::Failed(place, error) => {
                    self.past = loading.past;
                    return ManyStep::Failed(place, error);
                }
            }
        }
        places.extend(&loading.batch);
        self.loading = loading;
        if places.is_empty() { ManyStep::Done } else { ManyStep::Load(places) }
    }

    /// The context of the body that loads. Wrappers around the call do not reach the calls inside it.
    pub(crate) fn body_context(&self) -> Context {
        let refreshed = self.refreshes.iter().map(|(place, _)| place);
        let shared = refreshed.chain(&self.loading.batch);
        let keys: Vec<_> = shared.map(|place| self.keys[*place].clone()).collect();
        match &self.engine {
            Some(engine) if !keys.is_empty() => self.context.loading_many(engine, keys),
            _ => self.context.inside(),
        }
    }

    /// Loads the places whose values are of another type without the cache, if there are any.
    pub(crate) fn go_past_where(&mut self, other: impl Fn(&Shared) -> bool) -> bool {
        let is_other =
            |answer: &Option<Answer>| matches!(answer, Some(Answer::Value(value)) if other(value));
        let places = self.answers.iter().enumerate().filter(|(_, answer)| is_other(answer));
        let places: Vec<_> = places.map(|(place, _)| place).collect();
        places.iter().for_each(|place| self.go_past_other_type(*place));
        !places.is_empty()
    }

    /// Loads this place without the cache: what is there is of another type.
    pub(crate) fn go_past_other_type(&mut self, place: usize) {
        if self.site.warns() {
            tracing::warn!(
                function = self.site.name,
                "another type is cached under the same key; give each function a template of its own"
            );
        }
        self.answers[place] = None;
        self.past.push(place);
    }

    /// Takes what the load brought, in the order of the places it was asked for.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way together with the read, each fill may or may not have been accepted.
    pub(crate) async fn settle(&mut self, splits: Vec<Split>) {
        let Loading { past, batch: places } = std::mem::take(&mut self.loading);
        let mut splits = splits.into_iter();
        for (place, split) in past.into_iter().zip(splits.by_ref()) {
            self.give(place, split.answer(), Status::Bypassed);
        }
        let refreshes = std::mem::take(&mut self.refreshes);
        let refreshed: Vec<_> = refreshes.into_iter().zip(splits.by_ref()).collect();
        for (place, answer) in together(refreshed.into_iter().map(settle_refresh)).await {
            self.give(place, answer, Status::Loaded);
        }
        if let Some(batch) = &mut self.batch {
            if let Some(Split::Failed(_)) = splits.as_slice().first() {
                let engine = batch.engine.clone();
                places.iter().for_each(|place| report(&engine, &self.keys[*place], Status::Loaded));
                self.status = Some(Status::Loaded);
            }
            batch.settle(splits).await;
        }
        self.take_given();
    }

    fn take_given(&mut self) {
        let given = self.batch.as_mut().map(|batch| std::mem::take(&mut batch.given));
        for Given { place, answer, status } in given.into_iter().flatten() {
            self.give(place, Some(answer), status);
        }
    }

    fn give(&mut self, place: usize, answer: Option<Answer>, status: Status) {
        if let Some(engine) = &self.engine {
            report(engine, &self.keys[place], status);
        }
        if status == Status::Stale {
            self.context.tell_stale();
        }
        self.answers[place] = answer;
        self.note(status);
    }

    fn note(&mut self, status: Status) {
        let worse = self.status.is_none_or(|noted| rank(noted) < rank(status));
        if worse {
            self.status = Some(status);
        }
    }

    /// Tells how the read ended, and gives the answers.
    pub(crate) fn finish(&mut self) -> Vec<Option<Answer>> {
        let status = self.status.unwrap_or(Status::Hit);
        tracing::Span::current().record("outcome", status.as_str());
        if let Some(cell) = &self.context.status {
            let _first = cell.set(status);
        }
        #[cfg(feature = "metrics")]
        if let (Some(engine), Some(key)) = (&self.engine, self.keys.first()) {
            engine.reporter.read_took(key.template(), status, self.began.elapsed());
        }
        std::mem::take(&mut self.answers)
    }
}

async fn settle_refresh(
    ((place, mut refresh), split): ((usize, Refresh), Split),
) -> (usize, Option<Answer>) {
    let answer = split.answer();
    refresh.settle(split).await;
    (place, answer)
}

fn report(engine: &Engine, key: &Key, status: Status) {
    engine.reporter.read(key.template(), engine.store.tier_name(), status);
}

/// Of the ways in which its keys got their answers, a read is known by the costliest.
fn rank(status: Status) -> u8 {
    match status {
        Status::Hit | Status::Filtered => 0,
        Status::Stale => 1,
        Status::Joined => 2,
        Status::Bypassed => 3,
        Status::Loaded => 4,
        Status::Refused => 5,
    }
}
