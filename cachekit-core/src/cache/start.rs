//! Where a read begins: a hit at once, or a way to go.

use std::sync::Arc;

#[cfg(feature = "session")]
use super::session::Pin;
use super::{
    Answer, Ask, Attempt, Cache, Context, Mode, Policy, Refresh, Renewal, Status, Step, Tags,
    due::{count_hit, told},
    look::Look,
    stamps, warnings,
};
use crate::{
    __private::{Call, Codec, Job, Shared, Site, Split},
    engine::Engine,
    flight::Verdict,
    key::{Key, KeyBuf, Tag},
    ttl::Ttl,
};

/// The beginning of a read.
#[derive(Debug)]
pub(crate) enum Start {
    Hit(Answer),
    /// A hit behind which a load is due.
    Due(Answer, Box<Renewal>),
    /// Boxed by itself: held twice by the future that consumes it, it would be copied time and again.
    Way(Box<Way>),
}

/// What a caller wants, borrowed: a policy is large, and a hit needs little of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wants<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) codec: Option<&'static Codec>,
    pub(crate) optional: bool,
    /// Whether anybody can be told that time is up: else it never is.
    pub(crate) timed: bool,
}

/// How a read goes on that is not a hit in this process.
#[derive(Debug)]
pub(crate) struct Way {
    kind: Kind,
    /// What the caller wants, if it is of a cache.
    pub(super) ask: Option<Ask>,
    tags: Tags,
    pub(super) site: &'static Site,
    /// The caller's own.
    pub(super) context: Context,
    /// A load in the background that is due.
    renewal: Option<Box<Renewal>>,
    #[cfg(feature = "bloom")]
    asked: Option<crate::bloom::Asked>,
    #[cfg(feature = "metrics")]
    began: std::time::Instant,
}

#[derive(Debug)]
enum Kind {
    /// Looking before it joins a flight.
    Look(Look),
    // Boxed: a hit, which only looks, would be as large.
    Flight(Box<Attempt>),
    Refresh(Box<Refresh>),
    /// Past the cache, if there is one.
    Direct(Option<(Arc<Engine>, Key)>),
}

impl Start {
    #[inline]
    pub(crate) fn of(call: &Call<'_>, key: &KeyBuf, wants: &Wants<'_>) -> Self {
        // By one reference: a closure that holds three is copied through memory.
        let read = (call, key, wants);
        Context::with(|context| Self::within(&read, context))
    }

    /// The whole of a hit: no lock of ours, no allocation, one clock read.
    fn within(
        &(call, key, wants): &(&Call<'_>, &KeyBuf, &Wants<'_>),
        context: Option<&Context>,
    ) -> Self {
        let cache = call.cache.or_else(|| Context::ambient(context));
        if let Some((engine, entry, view)) = Self::here(call, cache, key, wants, context) {
            if call.tags.is_empty() && entry.is_plain() && entry.is_live(view) {
                count_hit(engine, key);
                told(context, Status::Hit);
                return Self::Hit(entry.into_answer());
            }
            let found = (entry, view);
            if let Some(start) = Self::of_other(engine, key, wants, call.tags, found, context) {
                return start;
            }
        }
        Self::Way(Way::find(call, cache, key, wants))
    }
}

impl Wants<'_> {
    #[cold]
    pub(super) fn ask(&self) -> Ask {
        let Self { policy, codec, optional, timed } = *self;
        let policy = if timed { *policy } else { policy.untimed() };
        Ask { policy, codec, optional, nested: false }
    }
}

impl Way {
    fn new(kind: Kind, site: &'static Site, context: Context) -> Box<Self> {
        Box::new(Self {
            kind,
            ask: None,
            tags: None,
            site,
            context,
            renewal: None,
            #[cfg(feature = "bloom")]
            asked: None,
            #[cfg(feature = "metrics")]
            began: std::time::Instant::now(),
        })
    }

    /// The way of a read that is no hit here. Kept out of the hit's code.
    #[cold]
    fn find(call: &Call<'_>, cache: Option<&Cache>, key: &KeyBuf, wants: &Wants<'_>) -> Box<Self> {
        let context = Context::current();
        let Some(engine) = cache.and_then(Cache::engine) else {
            return Self::without_cache(call, context, cache.is_none());
        };
        let key = key.to_key();
        engine.sites.note_read(call.site, key.template(), call.tags);
        warnings::of_no_tier(call.site, engine, wants.codec);
        if let Some(reason) = past(call, &context, engine, &key) {
            engine.reporter.bypass(key.template(), reason);
            return Self::new(Kind::Direct(Some((engine.clone(), key))), call.site, context);
        }
        let ask = Ask { nested: context.is_nested(engine), ..wants.ask() };
        let tags = stamps::own(engine, call.tags);
        let named = tags.clone();
        let kind = match context.mode {
            Mode::Refresh => Kind::Refresh(Box::new(Refresh::new(engine, key, ask, tags))),
            _ if Look::is_worth_it(engine, &key, &ask) => {
                Kind::Look(Look::new(engine, key, ask, tags))
            }
            _ => Kind::Flight(Box::new(Attempt::new(engine, key, ask, tags))),
        };
        // Who asks for a new value gets no old one.
        let asked = (context.mode != Mode::Refresh).then_some(ask);
        let mut way = Self::new(kind, call.site, context);
        (way.ask, way.tags) = (asked, named);
        #[cfg(feature = "bloom")]
        let way = way.asking(call);
        way
    }

    /// Asks the filter first, unless the caller wants the body to run.
    #[cfg(feature = "bloom")]
    fn asking(mut self: Box<Self>, call: &Call<'_>) -> Box<Self> {
        if matches!(self.kind, Kind::Look(_) | Kind::Flight(_)) {
            self.asked = call.filter.map(crate::bloom::Question::to_asked);
        }
        self
    }

    fn without_cache(call: &Call<'_>, context: Context, none: bool) -> Box<Self> {
        if none {
            warnings::of_no_cache(call.site);
        }
        Self::new(Kind::Direct(None), call.site, context)
    }

    /// The way of a read that found something it cannot use.
    pub(crate) fn past_the_cache(call: &Call<'_>, reason: &'static str) -> Box<Self> {
        let way = Self::without_cache(call, Context::current(), false);
        way.warn_of_other_type(reason);
        way
    }

    pub(crate) fn go_past_other_type(&mut self) {
        self.warn_of_other_type("type");
        self.leave();
    }

    /// The cache and the key, if this read has to do with a cache at all.
    pub(super) fn subject(&self) -> Option<(&Arc<Engine>, &Key)> {
        match &self.kind {
            Kind::Flight(attempt) => Some((&attempt.engine, attempt.key())),
            Kind::Look(look) => Some((&look.engine, &look.key)),
            Kind::Refresh(refresh) => Some((&refresh.engine, &refresh.key)),
            Kind::Direct(subject) => subject.as_ref().map(|(engine, key)| (engine, key)),
        }
    }

    fn warn_of_other_type(&self, reason: &'static str) {
        if self.site.warns() {
            tracing::warn!(
                function = self.site.name,
                reason,
                "another type is cached under the same key; give each function a template of its own"
            );
        }
    }

    pub(super) fn tags(&self) -> &[Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    /// Goes for another answer.
    pub(super) fn begin_again(&mut self) {
        if let (Some(ask), Some((engine, key))) = (self.ask, self.subject()) {
            let tags = self.tags.clone();
            self.kind = Kind::Flight(Box::new(Attempt::new(engine, key.clone(), ask, tags)));
        }
    }

    /// Leaves what it was about: another caller goes on with it.
    pub(super) fn leave(&mut self) {
        if let Kind::Flight(attempt) = &mut self.kind {
            attempt.gives_up();
        }
        let subject = self.subject().map(|(engine, key)| (engine.clone(), key.clone()));
        self.kind = Kind::Direct(subject);
    }

    /// The span of everything that is no hit in this process.
    pub(crate) fn span(&self) -> tracing::Span {
        let template = self.subject().map_or(self.site.template, |(_, key)| key.template());
        let span = tracing::debug_span!("cachekit.read", template, outcome = tracing::field::Empty);
        // One that nobody listens to costs as much at each step, unless it has no name either.
        if span.is_disabled() { tracing::Span::none() } else { span }
    }

    /// The context of the body. Made only when the body runs: most reads are hits.
    pub(crate) fn body_context(&self) -> Context {
        match self.subject() {
            Some((engine, key)) if self.is_shared() => self.context.loading(engine, key.clone()),
            _ => self.context.inside(),
        }
    }

    /// Looks for an answer before it joins a flight, if that is worth it and no filter is to be asked first.
    ///
    /// # Cancel safety
    ///
    /// It leaves nothing behind.
    pub(crate) async fn look(&mut self) -> Option<Verdict> {
        let Kind::Look(look) = &self.kind else { return None };
        #[cfg(feature = "bloom")]
        if self.asked.is_some() {
            return None;
        }
        match look.look().await {
            Ok((answer, status, renewal)) => {
                self.renewal = renewal;
                Some(Verdict::Answer(answer, status))
            }
            Err(miss) => {
                self.kind = Kind::Flight(Box::new(look.join(miss)));
                None
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Step {
        #[cfg(feature = "bloom")]
        if let Some(asked) = self.asked.take()
            && Box::pin(asked.is_absent()).await
        {
            return Step::Done(Verdict::Answer(Answer::Absent, Status::Filtered));
        }
        if let Some(verdict) = self.look().await {
            return Step::Done(verdict);
        }
        match &mut self.kind {
            Kind::Flight(attempt) => {
                let step = attempt.next().await;
                self.renewal = attempt.renewal.take();
                step
            }
            Kind::Refresh(refresh) => Box::pin(refresh.next()).await,
            Kind::Look(_) | Kind::Direct(_) => Step::Load,
        }
    }

    /// Whether the body's output may be of use to others: only then is it worth a clone.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.kind, Kind::Direct(_))
    }

    /// What is there while the body runs.
    pub(crate) fn old(&self) -> Option<Shared> {
        match &self.kind {
            Kind::Flight(attempt) => attempt.old().and_then(Answer::value),
            _ => None,
        }
    }

    /// Begins the load in the background that is due, if `job` can be had for it.
    pub(crate) fn renew(&mut self, job: impl FnOnce(Option<Shared>) -> Option<Job>) {
        if let Some(renewal) = self.renewal.take()
            && let Some(job) = job(renewal.old().value())
        {
            renewal.spawn(job, &self.context);
        }
    }

    /// Takes what the body brought, and how long that is good if it says so.
    pub(crate) async fn settle(
        &mut self,
        split: Option<Split>,
        ttl: Option<Ttl>,
    ) -> Option<Verdict> {
        if let (Some(ask), Some(ttl)) = (self.ask(), ttl) {
            ask.policy = ask.policy.with_ttl(ttl);
        }
        match (&mut self.kind, split) {
            (Kind::Flight(attempt), Some(split)) => Box::pin(attempt.settle(split)).await,
            (Kind::Refresh(refresh), Some(split)) => Box::pin(refresh.settle(split)).await,
            _ => Some(Verdict::Own(Status::Bypassed)),
        }
    }

    fn ask(&mut self) -> Option<&mut Ask> {
        match &mut self.kind {
            Kind::Flight(attempt) => Some(&mut attempt.ask),
            Kind::Refresh(refresh) => Some(&mut refresh.ask),
            Kind::Look(_) | Kind::Direct(_) => None,
        }
    }

    /// Tells how the read ended.
    pub(crate) fn report(&self, verdict: &Verdict) {
        let status = match verdict {
            Verdict::Own(status) | Verdict::Answer(_, status) => *status,
            Verdict::Error(_) => Status::Joined,
            Verdict::Alone => Status::Bypassed,
            Verdict::Refused => Status::Refused,
        };
        tracing::Span::current().record("outcome", status.as_str());
        self.context.tell(status);
        if let Some((engine, key)) = self.subject() {
            engine.reporter.read(key.template(), engine.store.tier_name(), status);
            #[cfg(feature = "metrics")]
            engine.reporter.read_took(key.template(), status, self.began.elapsed());
        }
    }
}

/// Why this call may not use the cache, if so.
pub(super) fn past(
    call: &Call<'_>,
    context: &Context,
    engine: &Arc<Engine>,
    key: &Key,
) -> Option<&'static str> {
    if call.in_transaction {
        return Some("transaction");
    }
    if context.mode == Mode::Bypass {
        return Some("asked");
    }
    #[cfg(feature = "session")]
    if let Some(pin) = context.pin(&key.as_ref(), call.tags) {
        // Without a shared tier there is nothing but what this process has.
        if pin == Pin::Tiers || matches!(engine.store, crate::store::Store::Embedded) {
            return Some("session");
        }
    }
    if context.is_loading(engine, key.as_str()) {
        if call.site.warns() {
            tracing::warn!(
                function = call.site.name,
                "the load of a key reads that same key; the inner call runs its body"
            );
        }
        return Some("recursion");
    }
    None
}
