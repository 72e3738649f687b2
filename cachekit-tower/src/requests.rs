//! Which requests a layer guards, and what their keys are made of.

use std::{collections::HashSet, future::poll_fn, sync::Arc};

use bytes::Bytes;
use cachekit_core::Key;
use http::{Method, Request, request::Parts};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::{
    Body, BoxError, Kind,
    builder::Mistakes,
    collect::{Bounds, Collected, collect},
    grpc::{Methods, NoKey},
    key::{KeyFn, Keys},
    method::is_safe,
};

/// The requests that a layer is for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    pub(crate) keys: Keys,
    /// Those of HTTP; all that are unsafe, if none are named.
    methods: Option<Vec<Method>>,
    /// Calls whose keys are made of their heads alone.
    calls: HashSet<String>,
    /// Calls whose keys are made of their messages too.
    messages: Methods,
}

/// What of a request a layer is concerned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    Nothing,
    Head,
    Message,
}

impl Requests {
    pub(crate) fn with_key(&mut self, make: Arc<KeyFn>) {
        self.keys.with(make);
    }

    pub(crate) fn set_methods(&mut self, methods: impl IntoIterator<Item = Method>) {
        self.methods = Some(methods.into_iter().collect());
    }

    /// The methods that were named.
    pub(crate) fn methods(&self) -> &[Method] {
        self.methods.as_deref().unwrap_or_default()
    }

    pub(crate) fn add_call(&mut self, path: String, mistakes: &mut Mistakes) {
        let names = path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
        let fine = |name: &str| !name.is_empty() && !name.contains(['/', '?', ' ']);
        if names.is_some_and(|(service, method)| fine(service) && fine(method)) {
            self.calls.insert(path);
        } else {
            let path = path.escape_debug();
            mistakes.add(format!("method `{path}`: write `/package.Service/Method`"));
        }
    }

    #[cfg(feature = "grpc")]
    pub(crate) fn add_message<M: prost::Message + Default>(
        &mut self,
        path: &str,
        key: impl Fn(&M) -> Key + Send + Sync + 'static,
        mistakes: &mut Mistakes,
    ) {
        self.messages.add_decoded(path, key, mistakes);
    }

    /// Whether calls of gRPC have keys, or requests of HTTP.
    pub(crate) fn have_keys(&self) -> bool {
        !self.keys.is_empty() || !self.messages.is_empty()
    }

    /// The protocol of a request, whatever the client says it is.
    pub(crate) fn kind(&self, parts: &Parts) -> Kind {
        let path = parts.uri.path();
        self.keys.kind(parts, self.messages.has(path) || self.calls.contains(path))
    }

    pub(crate) fn concern<B>(&self, kind: Kind, request: &Request<B>) -> Concern {
        let method = request.method();
        match kind {
            Kind::Http => match &self.methods {
                Some(methods) if methods.contains(method) => Concern::Head,
                None if !is_safe(method) && *method != Method::CONNECT => Concern::Head,
                Some(_) | None => Concern::Nothing,
            },
            Kind::Grpc if self.messages.has(request.uri().path()) => Concern::Message,
            Kind::Grpc if self.calls.contains(request.uri().path()) => Concern::Head,
            Kind::Grpc => Concern::Nothing,
        }
    }

    /// The keys that can be made of the head, and whether that is all of them.
    pub(crate) fn found(&self, parts: &mut Parts) -> (Vec<Key>, bool) {
        self.keys.found(parts)
    }

    /// Reads a call's message and makes its key, if it is of that kind; the body is whole afterwards.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the body.
    pub(crate) async fn read<B>(
        &self,
        concern: Concern,
        parts: &Parts,
        body: B,
    ) -> (Body<B>, Result<Option<Key>, NoKey>)
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        if concern != Concern::Message {
            return (Body::through(body), Ok(None));
        }
        match collect(body, None, &Bounds::REQUEST).await {
            Collected::Whole(whole) => {
                let key = self.messages.key(parts.uri.path(), &whole.data);
                (whole.into_body(), key.map(Some))
            }
            Collected::Not(body, _) => (body, Err(NoKey::NotUnary)),
        }
    }
}

/// Waits until a service is ready.
///
/// # Errors
///
/// Those of the service.
pub(crate) async fn ready<S: Service<Q>, Q>(service: &mut S) -> Result<(), S::Error> {
    poll_fn(|cx| service.poll_ready(cx)).await
}
