//! The layer.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cachekit_core::bloom::Bloom;
use http::{Method, request::Parts};
use tower_layer::Layer;

use super::{
    BloomLayerBuilder, BloomService,
    builder::{ByHead, ByMessage, ByText},
    question::Answer,
};
use crate::{Kind, grpc::only_frame, key::Keys, observe, reject::Rejecter, requests::Concern};

/// Answers for ids that were never issued; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct BloomLayer {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) filter: Box<str>,
    pub(super) keys: Keys,
    pub(super) by_text: Option<Arc<ByText>>,
    pub(super) by_head: Option<Arc<ByHead>>,
    pub(super) by_message: HashMap<String, Arc<ByMessage>>,
    pub(super) methods: Vec<Method>,
    pub(super) rejecter: Rejecter,
    pub(super) counts: Counts,
}

/// What became of the requests that were asked for.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) refused: AtomicU64,
    pub(super) found_absent: AtomicU64,
}

impl BloomLayer {
    /// Starts building a layer over this filter.
    pub fn builder<K: ?Sized>(filter: &Bloom<K>) -> BloomLayerBuilder<K> {
        BloomLayerBuilder::new(filter)
    }

    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// How many requests ended here, for their ids do not exist.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.counts.refused.load(Ordering::Relaxed)
    }

    /// How many passed a live filter and were not found by the handler: false positives, and ids that were deleted since
    /// the filter was built.
    #[must_use]
    pub fn found_absent(&self) -> u64 {
        self.shared.counts.found_absent.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for BloomLayer {
    type Service = BloomService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BloomService::new(inner, self.shared.clone())
    }
}

impl Shared {
    /// The protocol of a request, whatever the client says it is.
    pub(super) fn kind(&self, parts: &Parts) -> Kind {
        self.keys.kind(parts, self.by_message.contains_key(parts.uri.path()))
    }

    pub(super) fn concern(&self, kind: Kind, parts: &Parts) -> Concern {
        let by_head = self.by_text.is_some() || self.by_head.is_some();
        match kind {
            Kind::Http if by_head && self.methods.contains(&parts.method) => Concern::Head,
            Kind::Grpc if self.by_message.contains_key(parts.uri.path()) => Concern::Message,
            Kind::Http | Kind::Grpc => Concern::Nothing,
        }
    }

    /// Asks for the id in the head, if there is one.
    pub(super) fn ask_head(&self, parts: &mut Parts) -> Option<Answer> {
        match (&self.by_text, &self.by_head) {
            (Some(by_text), _) => by_text.ask(&self.keys.only_text(parts)?),
            (None, by_head) => by_head.as_ref()?.ask(parts),
        }
    }

    /// Asks for the id in a message that was read.
    pub(super) fn ask_message(&self, path: &str, body: &[u8]) -> Option<Answer> {
        match only_frame(body)? {
            (0, message) => self.by_message.get(path)?.ask(message),
            _ => None,
        }
    }

    pub(super) fn note_refused(&self) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_found_absent(&self) {
        self.counts.found_absent.fetch_add(1, Ordering::Relaxed);
        observe::false_positive(&self.filter);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BloomLayer").field("filter", &self.filter).finish_non_exhaustive()
    }
}
