//! Building the layer: who takes part, what responses may depend on, and what clients are told.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
#[cfg(feature = "grpc")]
use cachekit_core::Key;
use http::{HeaderName, HeaderValue, Method, Response, request::Parts};

use super::{
    CacheLayerBuilder, Normalize, RequestDirectives,
    vary::{Declared, Languages},
};
use crate::{IntoTime, Principal, Rejection, key::Rule, security::Sharing};

/// Who takes part.
impl CacheLayerBuilder {
    /// The methods that are looked up; `GET` and `HEAD` by default. With others, such as `QUERY`, the request's body is
    /// part of what is asked for; they must change nothing.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// A unary gRPC method that changes nothing, and the group of its responses, of the decoded message.
    #[cfg(feature = "grpc")]
    pub fn method<M>(mut self, path: &str, key: impl Fn(&M) -> Key + Send + Sync + 'static) -> Self
    where
        M: prost::Message + Default,
    {
        self.calls.add_decoded(path, key, &mut self.mistakes);
        self
    }

    /// A request takes part with those of the same principal, and the value enters identities as a keyed hash.
    ///
    /// `None` passes the request by, whether it has credentials or not: the anonymous visitors of a page share nothing
    /// and run each by themselves. Where they are to share one answer, give them a principal that no user has.
    ///
    /// ```
    /// use cachekit_core::Cache;
    /// use cachekit_tower::{CacheLayer, Principal};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cache = Cache::builder().build()?;
    /// let layer = CacheLayer::builder(&cache).any_path().ttl("30s").per_principal(|parts| {
    ///     let user = parts.extensions.get::<Principal>().cloned();
    ///     Some(user.unwrap_or_else(|| Principal::new(""))) // no user's
    /// });
    /// # layer.build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Say so only for requests that show no credentials at all: one that shows them and is taken for nobody is given
    /// what nobody is.
    pub fn per_principal<F>(mut self, who: F) -> Self
    where
        F: Fn(&Parts) -> Option<Principal> + Send + Sync + 'static,
    {
        self.credentials.share(Sharing::PerPrincipal(Arc::new(who)), &mut self.mistakes);
        self
    }

    /// A request with credentials takes part with those that have the very same ones.
    pub fn per_credential(mut self) -> Self {
        self.credentials.share(Sharing::PerCredential, &mut self.mistakes);
        self
    }

    /// Credentials are taken away from requests, and all users share what is the same for all. Responses must say that
    /// they are, by `public` or `s-maxage`, or by a [`Freshness`](super::Freshness).
    pub fn share_across_users(mut self) -> Self {
        self.credentials.share(Sharing::AcrossUsers, &mut self.mistakes);
        self
    }

    /// More headers that are credentials.
    pub fn credential_headers<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = self.names("credential_headers", names);
        self.credentials.add_headers(names);
        self
    }

    /// A type of extension that is a credential.
    pub fn credential_extension<T: Clone + Send + Sync + 'static>(mut self) -> Self {
        self.credentials.add_extension::<T>();
        self
    }

    /// Requests of which this says so have a credential. For what a server puts into the extensions of every request, and
    /// that is one with some of them only: of tonic with certificates of clients,
    /// `parts.extensions.get::<TlsConnectInfo<TcpConnectInfo>>().is_some_and(|info| info.peer_certs().is_some())`.
    ///
    /// Such a request takes part only `per_principal`, or under `share_across_users`, where the handler sees that of
    /// whoever came first.
    pub fn credential_when(
        mut self,
        has_one: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.credentials.add_when(has_one);
        self
    }

    /// What hashes of principals and credentials are keyed with; at least 16 bytes, and the same in all processes that
    /// share a Redis.
    pub fn identity_secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        let secret = secret.as_ref();
        if secret.len() < 16 {
            self.mistakes.add("`identity_secret`: give it at least 16 bytes");
        }
        self.secret = Some(secret.to_vec());
        self
    }

    /// Whether `Cache-Control` of requests counts; not by default.
    pub fn request_directives(mut self, directives: RequestDirectives) -> Self {
        self.directives = directives;
        self
    }
}

/// What responses may depend on.
impl CacheLayerBuilder {
    /// Request headers that are part of identities. The handler sees the normalised value: of `Accept-Encoding` the best
    /// of `br`, `zstd`, `gzip` and `identity`, of others the trimmed lines in one.
    pub fn vary<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        for name in self.names("vary", names) {
            self.declare(Declared::new(name));
        }
        self
    }

    /// A request header that is part of identities, by a value of the user's own making.
    pub fn vary_with(mut self, name: &str, normalize: impl Normalize) -> Self {
        if let Some(name) = self.names("vary_with", [name]).pop() {
            self.declare(Declared::with(name, normalize));
        }
        self
    }

    /// `Accept-Language`, as the best of these, the first one where none fits.
    pub fn languages<'a>(mut self, offered: impl IntoIterator<Item = &'a str>) -> Self {
        let offered: Vec<_> = offered.into_iter().map(str::to_owned).collect();
        let fine = |offered: &String| HeaderValue::from_str(offered).is_ok() && !offered.is_empty();
        if offered.is_empty() || !offered.iter().all(fine) {
            self.mistakes.add("`languages`: name at least one, such as `en`");
        }
        self.declare(Declared::with(http::header::ACCEPT_LANGUAGE, Languages(offered)));
        self
    }

    fn declare(&mut self, declared: Declared) {
        self.declared.retain(|other| other.name != declared.name);
        self.declared.push(declared);
    }

    /// Parameters of the query that count. The handler sees no others.
    pub fn query_only<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.shown.query = Rule::Only(names.into_iter().map(str::to_owned).collect());
        self
    }

    /// Parameters of the query that do not count, a `*` at the end standing for anything. The handler does not see them.
    pub fn query_ignore<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.shown.query = Rule::Ignore(names.into_iter().map(str::to_owned).collect());
        self
    }

    /// Shows the handler request headers that are in no identity. A client that sets one of them can change what others
    /// are given: name only what cannot change a response.
    pub fn keep_headers<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = self.names("keep_headers", names);
        self.shown.kept.extend(names);
        self
    }

    /// Shows the handler all request headers but credentials. A client can then change what others are given by any of
    /// them; building the layer warns of it.
    pub fn keep_all_headers(mut self) -> Self {
        self.shown.all = true;
        self
    }
}

/// What is kept, and what clients are told.
impl CacheLayerBuilder {
    /// The longest body of a response that is read and kept, in bytes; 1 MiB by default. Longer ones are passed on as they
    /// come.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.response.bytes = bytes;
        self
    }

    /// The longest body of a request that is part of what is asked for, in bytes; 64 KiB by default.
    pub fn max_request(mut self, bytes: usize) -> Self {
        self.request.bytes = bytes;
        self
    }

    /// For how long a body is read before it is passed on as it comes; 5 s by default.
    pub fn collect_timeout(mut self, limit: impl IntoTime) -> Self {
        if let Some(limit) = self.time("collect_timeout", limit) {
            self.response.within = limit;
            self.request.within = limit;
        }
        self
    }

    /// How long it is remembered that responses are for one reader each, so that nobody waits for another's; 10 s by
    /// default.
    pub fn uncacheable_for(mut self, time: impl IntoTime) -> Self {
        if let Some(time) = self.mistakes.time("uncacheable_for", time) {
            self.uncacheable_for = time;
        }
        self
    }

    /// How long a run may take; 30 s by default.
    pub fn run_timeout(mut self, limit: impl IntoTime) -> Self {
        if let Some(limit) = self.time("run_timeout", limit) {
            self.run_timeout = limit;
        }
        self
    }

    /// How long a request waits for another's run before it runs by itself; 10 s by default.
    pub fn wait_timeout(mut self, limit: impl IntoTime) -> Self {
        if let Some(limit) = self.time("wait_timeout", limit) {
            self.wait_timeout = limit;
        }
        self
    }

    fn time(&mut self, option: &str, time: impl IntoTime) -> Option<Duration> {
        self.mistakes.time(option, time)
    }

    /// Whether those who wait are given a response that says that the source failed; yes by default. Else each in its
    /// turn tries for itself.
    pub fn share_failures(mut self, shared: bool) -> Self {
        self.share_failures = shared;
        self
    }

    /// Whether responses without an `ETag` are given a weak one; yes by default.
    pub fn etag(mut self, on: bool) -> Self {
        self.etag = on;
        self
    }

    /// Whether responses from the cache say their `Age`; yes by default.
    pub fn age(mut self, on: bool) -> Self {
        self.age = on;
        self
    }

    /// Whether responses say what the cache made of them (RFC 9211); yes by default.
    pub fn cache_status(mut self, on: bool) -> Self {
        self.cache_status = on;
        self
    }

    /// Shows the group's key in `Cache-Status`: for debugging, since it may hold personal data.
    pub fn expose_key(mut self) -> Self {
        self.expose_key = true;
        self
    }

    /// Response headers that are not kept; the one whose run brought them is given them all the same.
    pub fn drop_headers<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = self.names("drop_headers", names);
        self.dropped.extend(names);
        self
    }

    /// Answers in the place of those that the layer gives where it refuses.
    pub fn on_reject<F>(mut self, answer: F) -> Self
    where
        F: Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync + 'static,
    {
        self.rejecter.own = Some(Arc::new(answer));
        self
    }

    fn names<'a>(
        &mut self,
        option: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Vec<HeaderName> {
        let name = |name: &str| {
            let wrong = || format!("`{option}`: `{}` is no name of a header", name.escape_debug());
            name.to_ascii_lowercase().parse().map_err(|_| wrong())
        };
        let names: Vec<_> = names.into_iter().map(name).collect();
        names.into_iter().filter_map(|name| self.mistakes.check(name)).collect()
    }
}
