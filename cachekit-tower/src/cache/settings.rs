//! What a layer was built with, and what its services share.

use std::{sync::Arc, time::Duration};

use cachekit_core::{
    Cache, Key, Policy,
    key::{ResponseKeys, RuntimeTemplate},
};
use http::{HeaderName, Method, request::Parts};

use super::{
    directives::RequestDirectives, gates::Gates, judge::Rules, learned::Learned, memory::Memory,
    vary::Declared,
};
use crate::{
    Kind,
    collect::Bounds,
    grpc::Methods,
    key::Keys,
    reject::Rejecter,
    security::{Credentials, Shown},
    writes::Terms,
};

/// A layer's settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) cache: Cache,
    /// Of writes that pass.
    pub(crate) terms: Arc<Terms>,
    pub(crate) name: String,
    /// Of the groups, for spans.
    pub(crate) template: String,
    pub(crate) keys: Keys,
    /// Those that are looked up besides `GET` and `HEAD`, by their bodies too.
    pub(crate) keyed_methods: Vec<Method>,
    pub(crate) get: bool,
    pub(crate) head: bool,
    pub(crate) calls: Methods,
    pub(crate) credentials: Credentials,
    pub(crate) shown: Shown,
    pub(crate) declared: Vec<Declared>,
    pub(crate) rules: Rules,
    pub(crate) policy: Policy,
    pub(crate) response: Bounds,
    pub(crate) request: Bounds,
    pub(crate) directives: RequestDirectives,
    pub(crate) etag: bool,
    pub(crate) age: bool,
    pub(crate) cache_status: bool,
    pub(crate) expose_key: bool,
    pub(crate) dropped: Vec<HeaderName>,
    pub(crate) rejecter: Rejecter,
    pub(crate) share_failures: bool,
    pub(crate) run_timeout: Duration,
    pub(crate) wait_timeout: Duration,
    /// What digests of identities are keyed with: the same in all processes that share entries.
    pub(crate) digest_key: [u8; 32],
    pub(crate) entry: ResponseKeys,
    pub(crate) place: RuntimeTemplate,
}

/// All that the services of one layer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) gates: Arc<Gates>,
    pub(crate) memory: Memory,
    pub(crate) learned: Learned,
    /// That nothing has a route is said once.
    pub(crate) warned: std::sync::Once,
}

impl Settings {
    /// For a look that begins no load, now or in the background: old entries are none.
    pub(crate) fn look_only(&self) -> Policy {
        let zero = Duration::ZERO;
        self.policy.stale_while_revalidate(zero).stale_if_error(zero)
    }

    /// The protocol of a request, whatever the client says it is.
    pub(crate) fn kind(&self, parts: &Parts) -> Kind {
        self.keys.kind(parts, self.calls.has(parts.uri.path()))
    }

    /// The key of an entry.
    pub(crate) fn entry_key(&self, digest: &[u8; 16]) -> Key {
        self.entry.key(digest)
    }

    /// What writers name where the builder names nothing.
    pub(crate) fn place(&self, host: &str, parts: &Parts) -> Key {
        let path = crate::key::original_uri(parts).path();
        expand(&self.place, &format!("{host}{path}"))
    }
}

/// A template with one placeholder.
fn expand(template: &RuntimeTemplate, text: &str) -> Key {
    let made = template.expand(|_, w| {
        w.str(text);
        Ok::<_, std::convert::Infallible>(())
    });
    match made {
        Ok(key) => key,
        Err(never) => match never {},
    }
}
