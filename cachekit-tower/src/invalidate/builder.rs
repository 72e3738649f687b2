//! Building the layer.

use std::{fmt, sync::Arc};

use cachekit_core::{Cache, Key};
use http::{Method, request, response};

use super::{InvalidateLayer, layer::Shared};
use crate::{
    BuildError, Disconnect, IntoTime, KeyMissing, builder::Mistakes, requests::Requests,
    writes::Terms,
};

/// Collects what an [`InvalidateLayer`] is to be like.
#[must_use = "call `build`"]
pub struct InvalidateBuilder {
    terms: Terms,
    requests: Requests,
    disconnect: Disconnect,
    mistakes: Mistakes,
}

impl InvalidateBuilder {
    pub(super) fn new(cache: &Cache) -> Self {
        Self {
            terms: Terms { counted: true, ..Terms::plain(cache.clone()) },
            requests: Requests::default(),
            disconnect: Disconnect::default(),
            mistakes: Mistakes::default(),
        }
    }

    /// A key to invalidate, as a template over the request: `<name>` is a parameter of the path, `<query.name>` and
    /// `<header.name>` are values, `<host>` the authority. Eight at most.
    pub fn key(mut self, template: &str) -> Self {
        self.requests.keys.template(template, &mut self.mistakes);
        self
    }

    /// A key that a function makes of the request's head.
    pub fn key_with(
        mut self,
        key: impl Fn(&request::Parts) -> Result<Key, KeyMissing> + Send + Sync + 'static,
    ) -> Self {
        self.requests.with_key(Arc::new(key));
        self
    }

    /// Keys that a function finds in the response's head. With a status that says that nothing was written they are not
    /// invalidated either.
    pub fn key_from_response<I>(
        mut self,
        keys: impl Fn(&response::Parts) -> I + Send + Sync + 'static,
    ) -> Self
    where
        I: IntoIterator<Item = Key>,
    {
        self.terms.from_response.push(Arc::new(move |head| keys(head).into_iter().collect()));
        self
    }

    /// The path that names the parameters, such as `/users/{id}`; needed where no router of axum's is outside.
    pub fn path(mut self, pattern: &str) -> Self {
        self.requests.keys.path(pattern, &mut self.mistakes);
        self
    }

    /// The methods of HTTP that write: all but `GET`, `HEAD`, `OPTIONS`, `TRACE`, `QUERY` and `CONNECT` by default.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.requests.set_methods(methods);
        self
    }

    /// The gRPC methods that write, by their paths, such as `/shop.Users/Rename`. Their keys are made of metadata and by
    /// the handler.
    pub fn calls<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        for path in paths {
            self.requests.add_call(path.into(), &mut self.mistakes);
        }
        self
    }

    /// A gRPC method that writes, and a key made of its message. A compressed message has none: its key is missing.
    #[cfg(feature = "grpc")]
    pub fn method<M: prost::Message + Default>(
        mut self,
        path: &str,
        key: impl Fn(&M) -> Key + Send + Sync + 'static,
    ) -> Self {
        self.requests.add_message(path, key, &mut self.mistakes);
        self
    }

    /// Invalidates once more, so much later, for loads that may read a replica that lags behind.
    pub fn again_after(mut self, time: impl IntoTime) -> Self {
        self.terms.again_after = self.mistakes.time("again_after", time);
        self
    }

    /// Whether a response says `Cachekit-Invalidation: pending` where an invalidation did not get through in time: not
    /// by default.
    pub fn report(mut self, report: bool) -> Self {
        self.terms.report = report;
        self
    }

    /// What becomes of a handler whose client has gone away: it is finished, by default, and its keys are invalidated
    /// after that. Where it is cancelled they are at once, and a commit that comes later is not seen.
    pub fn on_disconnect(mut self, disconnect: Disconnect) -> Self {
        self.disconnect = disconnect;
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// All mistakes at once: templates, paths, methods and times that are none.
    pub fn build(mut self) -> Result<InvalidateLayer, BuildError> {
        self.requests.keys.check(&mut self.mistakes);
        self.mistakes.finish("the invalidate layer")?;
        Ok(InvalidateLayer::of(Arc::new(Shared {
            terms: Arc::new(self.terms),
            requests: self.requests,
            disconnect: self.disconnect,
        })))
    }
}

impl fmt::Debug for InvalidateBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidateBuilder")
            .field("requests", &self.requests)
            .field("disconnect", &self.disconnect)
            .finish_non_exhaustive()
    }
}
