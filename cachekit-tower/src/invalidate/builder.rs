//! Building the layer.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use cachekit_core::{Cache, Key};
use http::{Method, Response, request, response};

use super::{InvalidateLayer, layer::Shared};
use crate::{
    BuildError, Disconnect, IntoTime, KeyMissing, Rejection, builder::Mistakes,
    macros::request_options, reject::Rejecter, requests::Requests, writes::Terms,
};

/// What is done with a write whose keys cannot all be made of its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnKeyMissing {
    /// It is refused before the handler is called: 400, or `INVALID_ARGUMENT`.
    #[default]
    Reject,
    /// The handler runs, and only the keys that there are, are invalidated: **what it writes is not seen until the old
    /// entries expire**, in any process. It is logged as an error.
    ///
    /// Whoever sends requests can bring that about on purpose, by a parameter that is there twice or by a message that
    /// is compressed: only for what is cached for seconds, or where another piece of the request invalidates.
    Proceed,
}

/// Collects what an [`InvalidateLayer`] is to be like.
#[must_use = "call `build`"]
pub struct InvalidateBuilder {
    terms: Terms,
    requests: Requests,
    disconnect: Disconnect,
    on_key_missing: OnKeyMissing,
    rejecter: Rejecter,
    mistakes: Mistakes,
}

impl InvalidateBuilder {
    pub(super) fn new(cache: &Cache) -> Self {
        Self {
            terms: Terms { counted: true, ..Terms::plain(cache.clone()) },
            requests: Requests::default(),
            disconnect: Disconnect::default(),
            on_key_missing: OnKeyMissing::default(),
            rejecter: Rejecter::default(),
            mistakes: Mistakes::default(),
        }
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

    /// What is done with a write whose keys cannot all be made of its request: it is refused, by default.
    ///
    /// A key is missing where a piece of it is not in the request, or is there twice, where the path is not the
    /// [pattern](Self::path)'s, and where a call's message is compressed, too long to be read (64 KiB), or none. So put
    /// the layer on the routes and the calls that have its keys, not around all there are.
    pub fn on_key_missing(mut self, then: OnKeyMissing) -> Self {
        self.on_key_missing = then;
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
            on_key_missing: self.on_key_missing,
            rejecter: self.rejecter,
        })))
    }
}

request_options!(
    InvalidateBuilder,
    to "invalidate",
    those that "write",
    "",
    "its key is [missing](Self::on_key_missing)"
);

impl fmt::Debug for InvalidateBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidateBuilder")
            .field("requests", &self.requests)
            .field("disconnect", &self.disconnect)
            .finish_non_exhaustive()
    }
}
