//! Building the layer: what every one needs, and how long responses are kept.

use std::{sync::Arc, time::Duration};

use cachekit_core::{
    Cache, Key, Policy, Ttl,
    key::{ResponseKeys, RuntimeTemplate},
};
use http::{HeaderName, Method, request::Parts};

use super::{
    CacheLayer, RequestDirectives,
    gates::Gates,
    judge::{Rules, WIDEST_MS},
    learned::Learned,
    memory::Memory,
    settings::{Settings, Shared},
    snapshot::Snapshot,
    vary::Declared,
};
use crate::{
    BuildError, IntoTime, KeyMissing,
    builder::Mistakes,
    collect::Bounds,
    grpc::Methods,
    key::Keys,
    reject::Rejecter,
    security::{Credentials, Sharing, Shown},
    writes::Terms,
};

/// The longest that a response may ask to be kept where nothing else is said.
const MAX_TTL: Duration = Duration::from_secs(3600);
/// The longest that a 404 is kept where nothing else is said.
const NEGATIVE: Duration = Duration::from_secs(30);

/// A time to live as the builder takes it: a [`Ttl`], a [`Duration`], or a text such as `"30s±3s"`.
pub trait IntoTtl {
    /// The time to live.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn into_ttl(self) -> Result<Ttl, String>;
}

impl IntoTtl for Ttl {
    fn into_ttl(self) -> Result<Ttl, String> {
        Ok(self)
    }
}

impl IntoTtl for Duration {
    fn into_ttl(self) -> Result<Ttl, String> {
        Ttl::new(self).map_err(|error| error.message().to_owned())
    }
}

impl IntoTtl for &str {
    fn into_ttl(self) -> Result<Ttl, String> {
        Ttl::parse(self).map_err(|error| error.message().to_owned())
    }
}

/// Builds a [`CacheLayer`]. What is wrong is told by [`build`](Self::build), all of it at once.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct CacheLayerBuilder {
    pub(super) cache: Cache,
    pub(super) mistakes: Mistakes,
    pub(super) name: String,
    pub(super) templates: Vec<String>,
    pub(super) keys: Keys,
    pub(super) methods: Vec<Method>,
    pub(super) calls: Methods,
    pub(super) credentials: Credentials,
    pub(super) secret: Option<Vec<u8>>,
    pub(super) shown: Shown,
    pub(super) declared: Vec<Declared>,
    pub(super) ttl: Option<Ttl>,
    pub(super) from_response: bool,
    pub(super) negative_ttl: Option<Ttl>,
    pub(super) max_ttl: Duration,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) uncacheable_for: Duration,
    pub(super) response: Bounds,
    pub(super) request: Bounds,
    pub(super) directives: RequestDirectives,
    pub(super) etag: bool,
    pub(super) age: bool,
    pub(super) cache_status: bool,
    pub(super) expose_key: bool,
    pub(super) dropped: Vec<HeaderName>,
    pub(super) rejecter: Rejecter,
    pub(super) share_failures: bool,
    pub(super) run_timeout: Duration,
    pub(super) wait_timeout: Duration,
}

impl CacheLayerBuilder {
    pub(super) fn new(cache: &Cache) -> Self {
        Self {
            cache: cache.clone(),
            mistakes: Mistakes::default(),
            name: "http".to_owned(),
            templates: Vec::new(),
            keys: Keys::default(),
            methods: vec![Method::GET, Method::HEAD],
            calls: Methods::default(),
            credentials: Credentials::default(),
            secret: None,
            shown: Shown::default(),
            declared: Vec::new(),
            ttl: None,
            from_response: false,
            negative_ttl: None,
            max_ttl: MAX_TTL,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            uncacheable_for: Duration::from_secs(10),
            response: Bounds::RESPONSE,
            request: Bounds::REQUEST,
            directives: RequestDirectives::default(),
            etag: true,
            age: true,
            cache_status: true,
            expose_key: false,
            dropped: Vec::new(),
            rejecter: Rejecter::default(),
            share_failures: true,
            run_timeout: Duration::from_secs(30),
            wait_timeout: Duration::from_secs(10),
        }
    }

    /// The layer's name in entries, metrics and spans; `http` by default. Layers of different names share nothing.
    pub fn name(mut self, name: &str) -> Self {
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(fine) {
            let name = name.escape_debug();
            self.mistakes.add(format!("name `{name}`: use letters, digits, `-`, `_` and `.`"));
        }
        self.name = name.to_owned();
        self
    }

    /// A group of the responses: who invalidates that key drops them. Up to eight; without any it is `uri:<place>`, of
    /// host and path. See [keys](crate::KeyMissing) for the pieces that a template may name.
    pub fn key(mut self, template: &str) -> Self {
        self.keys.template(template, &mut self.mistakes);
        self.templates.push(template.to_owned());
        self
    }

    /// A group that the user's own code makes.
    pub fn key_with<F>(mut self, make: F) -> Self
    where
        F: Fn(&Parts) -> Result<Key, KeyMissing> + Send + Sync + 'static,
    {
        self.keys.with(std::sync::Arc::new(make));
        self
    }

    /// The path of the requests that take part, with its parameters: `/users/{id}`. Under axum's router it need not be
    /// said.
    pub fn path(mut self, pattern: &str) -> Self {
        self.keys.path(pattern, &mut self.mistakes);
        self
    }

    /// Requests take part whatever their path is. Who asks for random paths then fills the cache with pages that say
    /// that there is nothing.
    pub fn any_path(mut self) -> Self {
        self.keys.any_path();
        self
    }

    /// How long responses are kept that do not say it themselves. Required, unless
    /// [`ttl_from_response`](Self::ttl_from_response) takes its place.
    pub fn ttl(mut self, ttl: impl IntoTtl) -> Self {
        self.ttl = self.checked_ttl("ttl", ttl);
        self
    }

    /// Keeps those responses alone that say how long they are good.
    pub fn ttl_from_response(mut self) -> Self {
        self.from_response = true;
        self
    }

    /// How long 404, 410 and `NOT_FOUND` are kept; the smaller of the TTL and 30 s by default.
    pub fn negative_ttl(mut self, ttl: impl IntoTtl) -> Self {
        self.negative_ttl = self.checked_ttl("negative_ttl", ttl);
        self
    }

    /// The most that a response may ask for; 1 h by default.
    pub fn max_ttl(mut self, most: impl IntoTime) -> Self {
        self.max_ttl = self.mistakes.time("max_ttl", most).unwrap_or(MAX_TTL);
        self
    }

    /// For how long past its time a response is answered while a run in the background brings the next; none by
    /// default. A response's own `stale-while-revalidate` goes before it.
    pub fn stale_while_revalidate(mut self, window: impl IntoTime) -> Self {
        let window = self.mistakes.time("stale_while_revalidate", window);
        self.stale_while_revalidate = window.unwrap_or_default();
        self
    }

    /// For how long past its time a response is answered in the place of a failure; none by default. A response's own
    /// `stale-if-error` goes before it.
    pub fn stale_if_error(mut self, window: impl IntoTime) -> Self {
        self.stale_if_error = self.mistakes.time("stale_if_error", window).unwrap_or_default();
        self
    }

    fn checked_ttl(&mut self, option: &str, ttl: impl IntoTtl) -> Option<Ttl> {
        let ttl = ttl.into_ttl().map_err(|error| format!("`{option}`: {error}"));
        self.mistakes.check(ttl)
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`BuildError`] with every mistake there is.
    pub fn build(mut self) -> Result<CacheLayer, BuildError> {
        self.check();
        let Self { mistakes, .. } = &mut self;
        std::mem::take(mistakes).finish("the cache layer")?;
        let place = RuntimeTemplate::parse("uri:<place>").expect("it is a template");
        let entry = ResponseKeys::new(&self.name);
        let gates = Gates::new(self.uncacheable_for);
        let settings = self.settings(entry, place);
        Ok(CacheLayer::new(Shared {
            settings,
            gates,
            memory: Memory::default(),
            learned: Learned::default(),
            warned: std::sync::Once::new(),
        }))
    }

    fn check(&mut self) {
        self.keys.check(&mut self.mistakes);
        if self.ttl.is_none() && !self.from_response && self.mistakes.is_empty() {
            self.mistakes.add("say `ttl(..)`, or `ttl_from_response()`");
        }
        if self.ttl.is_some() && self.from_response {
            self.mistakes.add("`ttl(..)` and `ttl_from_response()` exclude one another");
        }
        let keyed =
            matches!(self.credentials.sharing, Sharing::PerPrincipal(_) | Sharing::PerCredential);
        if keyed && self.secret.is_none() && self.cache.is_shared() {
            self.mistakes.add(
                "`per_principal` and `per_credential` over Redis need `identity_secret(..)`, the same in all processes",
            );
        }
        for declared in &self.declared {
            if self.credentials.is_one(&declared.name) {
                let name = declared.name.as_str();
                self.mistakes.add(format!(
                    "`vary`: `{name}` is a credential; say `per_credential()` or `per_principal(..)`"
                ));
            }
        }
        if self.shown.all {
            tracing::warn!(
                layer = %self.name,
                "`keep_all_headers`: a client can change what others are given by headers that no identity has"
            );
        }
    }

    fn settings(mut self, entry: ResponseKeys, place: RuntimeTemplate) -> Settings {
        for name in self.keys.headers() {
            if !self.declared.iter().any(|declared| declared.name == *name) {
                self.declared.push(Declared::new(name.clone()));
            }
        }
        let names: Vec<_> = self.declared.iter().map(|declared| declared.name.clone()).collect();
        self.shown.declared.clone_from(&names);
        let digest_key = match &self.secret {
            Some(secret) => blake3::derive_key("cachekit response identity", secret),
            None => blake3::derive_key("cachekit response identity", b""),
        };
        if let Some(secret) = &self.secret {
            self.credentials.secret = blake3::derive_key("cachekit principal", secret);
        }
        let (rules, policy) = (self.rules(names), self.policy());
        let keyed = |method: &Method| !matches!(*method, Method::GET | Method::HEAD);
        let template = match self.templates.first() {
            Some(template) => template.clone(),
            None => place.as_str().to_owned(),
        };
        Settings {
            template,
            rules,
            policy,
            digest_key,
            entry,
            place,
            get: self.methods.contains(&Method::GET),
            head: self.methods.contains(&Method::HEAD),
            keyed_methods: self.methods.into_iter().filter(keyed).collect(),
            terms: Arc::new(Terms::plain(self.cache.clone())),
            cache: self.cache,
            name: self.name,
            keys: self.keys,
            calls: self.calls,
            credentials: self.credentials,
            shown: self.shown,
            declared: self.declared,
            response: self.response,
            request: self.request,
            directives: self.directives,
            etag: self.etag,
            age: self.age,
            cache_status: self.cache_status,
            expose_key: self.expose_key,
            dropped: self.dropped,
            rejecter: self.rejecter,
            share_failures: self.share_failures,
            run_timeout: self.run_timeout,
            wait_timeout: self.wait_timeout,
        }
    }

    fn rules(&self, declared: Vec<HeaderName>) -> Rules {
        let shorter = |ttl: Ttl| match ttl.base() <= NEGATIVE {
            true => ttl,
            false => Ttl::from(NEGATIVE),
        };
        Rules {
            ttl: self.ttl,
            negative_ttl: self.negative_ttl.or_else(|| self.ttl.map(shorter)),
            max_ttl: self.max_ttl,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
            declared,
        }
    }

    /// The widest that any response may be kept by; each says itself how long.
    fn policy(&self) -> Policy {
        let base = |ttl: Option<Ttl>| ttl.map_or(Duration::ZERO, |ttl| ttl.base() + ttl.jitter());
        let longest = base(self.ttl).max(base(self.negative_ttl)).max(self.max_ttl);
        let widest = Duration::from_millis(WIDEST_MS);
        let policy = Policy::new(longest)
            .stale_while_revalidate(widest.max(self.stale_while_revalidate))
            .stale_if_error(widest.max(self.stale_if_error))
            .life_from::<Snapshot>();
        match self.cache.is_bounded_by_weight() {
            true => policy.weighed::<Snapshot>(),
            false => policy,
        }
    }
}
