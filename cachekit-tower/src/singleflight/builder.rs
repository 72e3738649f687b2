//! The builder.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cachekit_core::{Cache, Key};
use http::{HeaderName, Method, Response, request::Parts};

use super::{
    SingleflightLayer,
    config::{Config, NAME},
};
use crate::{
    BuildError, IntoTime, KeyMissing, Principal, Rejection,
    builder::Mistakes,
    collect::Bounds,
    flight::{Flights, Join, Marks},
    grpc::Methods,
    key::{Keys, Rule},
    reject::Rejecter,
    security::{Credentials, Sharing, Shown},
};

/// Builds a [`SingleflightLayer`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct SingleflightBuilder {
    join: Join,
    cache: Option<Cache>,
    keys: Keys,
    methods: Vec<Method>,
    calls: Methods,
    credentials: Credentials,
    shown: Shown,
    share_failures: bool,
    parallel: usize,
    wait_timeout: Duration,
    run_timeout: Duration,
    uncacheable_for: Duration,
    response: Bounds,
    request: Bounds,
    rejecter: Rejecter,
    mistakes: Mistakes,
}

impl SingleflightBuilder {
    pub(super) fn new(join: Join, cache: Option<Cache>) -> Self {
        Self {
            join,
            cache,
            keys: Keys::default(),
            methods: vec![Method::GET, Method::HEAD],
            calls: Methods::default(),
            credentials: Credentials::default(),
            shown: Shown::default(),
            share_failures: true,
            parallel: 1,
            wait_timeout: Duration::from_secs(10),
            run_timeout: Duration::from_secs(30),
            uncacheable_for: Duration::from_secs(10),
            response: Bounds::RESPONSE,
            request: Bounds::REQUEST,
            rejecter: Rejecter::default(),
            mistakes: Mistakes::default(),
        }
    }

    /// Names a key by a template, such as `user:<id>`: one that writers invalidate, where runs are fenced. Up to eight.
    ///
    /// `<name>` is a parameter of the path, as axum's router decoded it (feature `axum`) or [`path`](Self::path) says;
    /// `<query.name>` and `<header.name>` are values, with `_` for the `-` of a header's name; `<host>` is the host. A
    /// request that lacks one of them, or has it twice, is passed on. Headers named here are declared, as by
    /// [`vary`](Self::vary).
    pub fn key(mut self, template: &str) -> Self {
        self.keys.template(template, &mut self.mistakes);
        self
    }

    /// Names a key by what `key` makes of a request's head; it must not block.
    pub fn key_with(
        mut self,
        key: impl Fn(&Parts) -> Result<Key, KeyMissing> + Send + Sync + 'static,
    ) -> Self {
        self.keys.with(Arc::new(key));
        self
    }

    /// Takes requests whose path is like `/users/{id}`, or `/files/{*rest}`, and no others.
    pub fn path(mut self, pattern: &str) -> Self {
        self.keys.path(pattern, &mut self.mistakes);
        self
    }

    /// Takes requests whatever their path is. Otherwise a [`path`](Self::path), or axum's route, has to match.
    pub fn any_path(mut self) -> Self {
        self.keys.any_path();
        self
    }

    /// Takes requests of these safe methods as well, whose body is part of their identity. Default: `GET`, `HEAD`.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        for method in methods {
            if matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "QUERY") {
                self.methods.push(method);
            } else {
                self.mistakes.add(format!("`{method}` is not safe: each request has to run"));
            }
        }
        self
    }

    /// Takes calls of a unary gRPC method, such as `/shop.Users/GetUser`, with the key that `key` makes of the encoded
    /// message. Other calls are passed on unread.
    pub fn method_with(
        mut self,
        path: &str,
        key: impl Fn(&[u8]) -> Result<Key, KeyMissing> + Send + Sync + 'static,
    ) -> Self {
        self.calls.add(path, key, &mut self.mistakes);
        self
    }

    /// Takes calls of a unary gRPC method, such as `/shop.Users/GetUser`, with the key that `key` makes of the message.
    #[cfg(feature = "grpc")]
    pub fn method<M: prost::Message + Default>(
        mut self,
        path: &str,
        key: impl Fn(&M) -> Key + Send + Sync + 'static,
    ) -> Self {
        self.calls.add_decoded(path, key, &mut self.mistakes);
        self
    }

    /// Declares headers that responses may depend on: they are part of the identity, and the handler sees them.
    pub fn vary<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names = self.header_names(names);
        self.shown.declared.extend(names);
        self
    }

    /// Shows these headers to the handler although they are not part of the identity.
    ///
    /// What a handler makes of one client's header is then given to others: show only what cannot change a response.
    pub fn keep_headers<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names = self.header_names(names);
        self.shown.kept.extend(names);
        self
    }

    /// Shows all headers but credentials to the handler, although they are not part of the identity.
    ///
    /// Whatever the handler makes of one client's headers is then given to others. It is logged as a warning.
    pub fn keep_all_headers(mut self) -> Self {
        self.shown.all = true;
        self
    }

    /// Parameters of the query that count. The handler sees no others.
    pub fn query_only<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.shown.query = Rule::Only(names.into_iter().map(Into::into).collect());
        self
    }

    /// Parameters of the query that do not count, such as `utm_*`. The handler does not see them.
    pub fn query_ignore<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.shown.query = Rule::Ignore(names.into_iter().map(Into::into).collect());
        self
    }

    /// Headers that are credentials as well. `Authorization`, `Cookie` and the like are ones anyway.
    pub fn credential_headers<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names = self.header_names(names);
        self.credentials.add_headers(names);
        self
    }

    /// An extension of requests that is a credential. [`Principal`] is one anyway.
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

    /// Takes requests, each with those of the same principal. Those without one are passed on, **whether they have
    /// credentials or not**: give anonymous requests a principal that no user has if they are to run together. The
    /// handler sees no credentials: it knows the principal by an extension.
    pub fn per_principal(
        mut self,
        who_is: impl Fn(&Parts) -> Option<Principal> + Send + Sync + 'static,
    ) -> Self {
        let sharing = Sharing::PerPrincipal(Arc::new(who_is));
        self.credentials.share(sharing, &mut self.mistakes);
        self
    }

    /// Takes requests with credentials, each with those that have the same ones.
    pub fn per_credential(mut self) -> Self {
        self.credentials.share(Sharing::PerCredential, &mut self.mistakes);
        self
    }

    /// Takes requests with credentials, takes these away, and gives all users the same.
    pub fn share_across_users(mut self) -> Self {
        self.credentials.share(Sharing::AcrossUsers, &mut self.mistakes);
        self
    }

    /// Whether a failure, such as a response with 500, is given to those who wait as well; else one after the other
    /// runs. Default: `true`.
    pub fn share_failures(mut self, share: bool) -> Self {
        self.share_failures = share;
        self
    }

    /// How many runs of one identity there may be at a time. Default: 1.
    pub fn max_parallel(mut self, runs: usize) -> Self {
        if runs == 0 {
            self.mistakes.add("`max_parallel`: there has to be at least one run");
        }
        self.parallel = runs;
        self
    }

    /// How long a request waits for another one's run; then it runs by itself. Default: 10 s.
    pub fn wait_timeout(mut self, time: impl IntoTime) -> Self {
        self.mistakes.time("wait_timeout", time).inspect(|time| self.wait_timeout = *time);
        self
    }

    /// How long a run may take; then it has failed. Default: 30 s.
    pub fn run_timeout(mut self, time: impl IntoTime) -> Self {
        self.mistakes.time("run_timeout", time).inspect(|time| self.run_timeout = *time);
        self
    }

    /// How long requests are passed on after a response that is for one client alone. Default: 10 s.
    pub fn uncacheable_for(mut self, time: impl IntoTime) -> Self {
        self.mistakes.time("uncacheable_for", time).inspect(|time| self.uncacheable_for = *time);
        self
    }

    /// The largest body of a response that is shared, in bytes; larger ones are streamed. Default: 1 MiB.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.response.bytes = bytes;
        self
    }

    /// The largest body of a request that is part of an identity, in bytes. Default: 64 KiB.
    pub fn max_request(mut self, bytes: usize) -> Self {
        self.request.bytes = bytes;
        self
    }

    /// How long bodies are read before they are streamed instead. Default: 5 s.
    pub fn collect_timeout(mut self, time: impl IntoTime) -> Self {
        if let Some(time) = self.mistakes.time("collect_timeout", time) {
            (self.response.within, self.request.within) = (time, time);
        }
        self
    }

    /// Answers in the layer's own place. What is given of a request is its method, and the `content-type` of a call.
    pub fn on_reject(
        mut self,
        response: impl Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.rejecter.own = Some(Arc::new(response));
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// Every mistake in the settings, at once.
    pub fn build(mut self) -> Result<SingleflightLayer, BuildError> {
        self.keys.check(&mut self.mistakes);
        if self.join == Join::Fenced && self.keys.is_empty() && self.calls.is_empty() {
            self.mistakes.add("a fenced layer needs the key that writers invalidate: `.key(..)`");
        }
        self.mistakes.finish("the singleflight layer")?;
        if self.shown.all {
            tracing::warn!("`keep_all_headers`: one client's headers shape what others are given");
        }
        self.shown.declared.extend(self.keys.headers().cloned());
        Ok(SingleflightLayer::of(Config {
            keys: self.keys,
            methods: self.methods,
            calls: self.calls,
            credentials: self.credentials,
            shown: self.shown,
            cache: self.cache,
            share_failures: self.share_failures,
            wait_timeout: self.wait_timeout,
            run_timeout: self.run_timeout,
            response: self.response,
            request: self.request,
            rejecter: self.rejecter,
            flights: Flights::new(NAME, self.join, self.parallel),
            marks: Marks::new(self.uncacheable_for),
        }))
    }

    fn header_names<N: AsRef<str>>(
        &mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Vec<HeaderName> {
        let mut good = Vec::new();
        for name in names {
            let name = name.as_ref();
            match name.parse() {
                Ok(name) => good.push(name),
                Err(_) => self.mistakes.add(format!("`{}` is no header", name.escape_debug())),
            }
        }
        good
    }
}
