//! A run of the handler whose response others may be given.

use std::{
    any::Any,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use cachekit_core::{Key, Scope, ToldError};
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::{
    gates::Seat,
    judge::{Facts, Verdict},
    learned::MOST_TAGS,
    request::Wanted,
    settings::Shared,
    snapshot::{Snapshot, Span},
};
use crate::{
    Body, BoxError, Kind,
    caught::caught,
    collect::{self, Collected, Why},
    handler::{Handler, Readable},
    time::within,
};

/// After so many runs in a row without an answer nobody waits for another one.
const MOST_FAILURES: u32 = 3;

pub(super) type Loading = Pin<Box<dyn Future<Output = Result<Snapshot, Failure>> + Send>>;

/// Why a run brought nothing to be stored.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The source failed, and said so to its own caller.
    Response(Snapshot),
    /// What came of it is its own caller's, and no answer to anybody else.
    Own,
    /// What came of it is an answer to its own caller alone.
    Apart,
    /// It took too long, or too many failed before it.
    Failed,
    /// It was not to run.
    NotRun,
}

impl ToldError for Failure {
    fn to_others(&self) -> Option<Self> {
        None
    }

    /// An old response does not stand in for one that is its reader's alone, and others need not wait for another try.
    fn is_failure(&self) -> bool {
        !matches!(self, Self::Apart | Self::NotRun)
    }
}

/// What a run brought to its own caller alone.
pub(crate) enum Brought<R, E> {
    /// A response that nobody else may have, and why.
    Response(Response<Body<R>>, &'static str),
    /// A response that says that the source failed: one that is out of date may be better.
    Failed(Response<Body<R>>, &'static str),
    /// What belongs to the shared response here.
    Extras(Extras),
    Error(E),
    Panic(Box<dyn Any + Send>),
}

/// What a stored response does not have, and why it was not stored if it was not.
#[derive(Debug)]
pub(crate) struct Extras {
    pub(crate) headers: HeaderMap,
    pub(crate) extensions: Extensions,
    pub(crate) detail: Option<&'static str>,
}

/// Where a run leaves what it brought to its caller.
pub(crate) struct Own<R, E> {
    brought: Mutex<Option<Brought<R, E>>>,
    begun: AtomicBool,
}

impl<R, E> Own<R, E> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { brought: Mutex::default(), begun: AtomicBool::new(false) })
    }

    /// Whether the caller's own run began.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    pub(crate) fn take(&self) -> Option<Brought<R, E>> {
        self.brought.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, brought: Brought<R, E>) {
        let earlier = self.brought.lock().unwrap_or_else(PoisonError::into_inner).replace(brought);
        drop(earlier);
    }
}

/// How to run the handler, as often as it takes.
pub(crate) struct Run<S, B, R, E> {
    pub(crate) service: S,
    pub(crate) end: End<R, E>,
    pub(crate) body: PhantomData<fn() -> B>,
}

/// All that a run needs once the handler has been called.
pub(crate) struct End<R, E> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) seat: Arc<Seat>,
    pub(crate) own: Arc<Own<R, E>>,
}

impl<R, E> Clone for End<R, E> {
    fn clone(&self) -> Self {
        let Self { shared, wanted, seat, own } = self;
        let (shared, wanted) = (shared.clone(), wanted.clone());
        Self { shared, wanted, seat: seat.clone(), own: own.clone() }
    }
}

impl<S, B, R> Run<S, B, R, S::Error>
where
    S: Handler<B, R>,
    B: Send + 'static,
    R: Readable,
{
    /// One run: begun when it is polled.
    pub(crate) fn load(&self) -> Loading {
        let (service, end) = (self.service.clone(), self.end.clone());
        Box::pin(run::<S, B, R>(service, end))
    }
}

async fn run<S, B, R>(service: S, end: End<R, S::Error>) -> Result<Snapshot, Failure>
where
    S: Service<Request<Body<B>>, Response = Response<R>>,
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    if end.seat.failures() >= MOST_FAILURES {
        return Err(Failure::Failed);
    }
    end.own.begun.store(true, Ordering::Release);
    let limit = end.shared.settings.run_timeout;
    // Whoever drives it, it is its request's.
    let answer = async {
        match end.wanted.seen.extensions.get::<Scope>() {
            Some(scope) => scope.run(call(service, &end)).await,
            None => call(service, &end).await,
        }
    };
    match within(limit, caught(answer)).await {
        Some(Ok(outcome)) => {
            if matches!(outcome, Err(Failure::Apart)) {
                end.fence_marker().await;
            }
            outcome
        }
        Some(Err(panic)) => Err(end.failed(Brought::Panic(panic))),
        None => {
            end.seat.failed();
            Err(Failure::Failed)
        }
    }
}

async fn call<S, B, R>(mut service: S, end: &End<R, S::Error>) -> Result<Snapshot, Failure>
where
    S: Service<Request<Body<B>>, Response = Response<R>>,
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    let error = |error| end.failed(Brought::Error(error));
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(error)?;
    let response = service.call(end.wanted.request()).await.map_err(error)?;
    // Its permit is free while the body is read.
    drop(service);
    end.take(response).await
}

impl Wanted {
    /// What the handler sees.
    fn request<B>(&self) -> Request<Body<B>> {
        let body = if self.body.is_empty() { Body::empty() } else { Body::full(self.body.clone()) };
        Request::from_parts(self.seen.clone(), body)
    }
}

/// Whether a status says that the source failed, as `stale-if-error` has it.
pub(crate) fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

// ===== what came of it =====

impl<R, E> End<R, E> {
    /// There is no answer, and others had better try for themselves.
    fn failed(&self, brought: Brought<R, E>) -> Failure {
        self.seat.failed();
        self.own.put(brought);
        Failure::Own
    }

    /// An invalidation of a group removes the marker: the next response may be another.
    async fn fence_marker(&self) {
        let Shared { settings, gates, .. } = &*self.shared;
        if gates.markers.lacks_fence(&self.wanted.digest) {
            let fence = settings.cache.fence(&self.wanted.groups).await;
            gates.markers.fence(&self.wanted.digest, fence);
        }
    }

    /// The source failed, and what it said is its own caller's alone: nobody waits for another answer like it.
    fn failed_apart(&self, response: Response<Body<R>>, reason: &'static str) -> Failure {
        self.own.put(Brought::Failed(response, reason));
        self.seat.release_waiting();
        Failure::Own
    }

    /// Whether the handler has named something that its answer depends on and that was not known before it read: who came
    /// later, or comes yet, may not have it. It is known from now on. In one word for `Cache-Status`.
    pub(super) fn late_tag(&self) -> Option<&'static str> {
        let Wanted { groups, own_groups, seen, digest, .. } = &*self.wanted;
        let named = seen.extensions.get::<Scope>().map(Scope::tags).unwrap_or_default();
        if named.iter().all(|tag| groups.contains(tag)) {
            return None;
        }
        let (own, known) = groups.split_at(*own_groups);
        let mut tags: Vec<Key> = named.into_iter().filter(|tag| !own.contains(tag)).collect();
        if own.len() + tags.len() > MOST_TAGS {
            return Some("too-many-tags");
        }
        // Another run may name them again.
        for tag in known {
            if own.len() + tags.len() < MOST_TAGS && !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
        self.shared.learned.learn(*digest, tags);
        Some("late-tag")
    }

    /// The answer depends on what was not known before: it is the caller's alone, and the next one may be shared.
    pub(super) fn tagged_late(&self, response: Response<Body<R>>, reason: &'static str) -> Failure {
        self.own.put(Brought::Response(response, reason));
        self.seat.release_waiting();
        Failure::Apart
    }

    /// There is an answer, and it is the caller's alone: nobody waits for another one like it.
    fn private(&self, response: Response<Body<R>>, reason: &'static str) -> Failure {
        self.own.put(Brought::Response(response, reason));
        self.seat.release_all();
        Failure::Apart
    }
}

impl<R, E> End<R, E>
where
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    async fn take(&self, response: Response<R>) -> Result<Snapshot, Failure> {
        match self.wanted.kind {
            Kind::Http => self.take_http(response).await,
            Kind::Grpc => super::call::take(self, response).await,
        }
    }

    async fn take_http(&self, response: Response<R>) -> Result<Snapshot, Failure> {
        let settings = &self.shared.settings;
        let (parts, body) = response.into_parts();
        let facts = |has_trailers| Facts {
            status: parts.status,
            headers: &parts.headers,
            freshness: parts.extensions.get().copied(),
            has_trailers,
            shared_across_users: self.wanted.shared_across_users,
        };
        if let Some(reason) = settings.rules.private_because(&facts(false)) {
            let is_failure = is_failure(parts.status);
            let response = Response::from_parts(parts, Body::through(body));
            return Err(match is_failure {
                true => self.failed_apart(response, reason),
                false => self.private(response, reason),
            });
        }
        let (hint, bounds) = (body.size_hint(), &settings.response);
        if collect::must_stream(parts.status, &parts.headers, &hint, bounds.bytes) {
            return Err(self.private(Response::from_parts(parts, Body::through(body)), "streamed"));
        }
        let length = collect::content_length(&parts.headers);
        let whole = match collect::collect(body, length, bounds).await {
            Collected::Whole(whole) => whole,
            Collected::Not(body, why) => {
                let response = Response::from_parts(parts, body);
                return Err(self.uncollected(response, why));
            }
        };
        if !is_failure(parts.status)
            && let Some(reason) = self.late_tag()
        {
            return Err(self.tagged_late(Response::from_parts(parts, whole.into_body()), reason));
        }
        let verdict = settings.rules.judge(facts(whole.trailers.is_some()), settings.now());
        Ok(match verdict {
            Verdict::Stored(span) => self.snapshot(parts, whole, span, None),
            Verdict::Shared(reason) => self.snapshot(parts, whole, Span::default(), Some(reason)),
            Verdict::Failed(reason) => {
                let span = if is_failure(parts.status) { Span::FAILED } else { Span::default() };
                return self.told(self.snapshot(parts, whole, span, Some(reason)));
            }
            Verdict::Private(reason) => {
                let response = Response::from_parts(parts, whole.into_body());
                return Err(self.private(response, reason));
            }
        })
    }

    /// A body that broke is a failure like others; one that is merely long is not.
    pub(super) fn uncollected(&self, response: Response<Body<R>>, why: Why) -> Failure {
        match why {
            Why::Broken => self.failed(Brought::Failed(response, why.as_str())),
            _ => self.private(response, why.as_str()),
        }
    }

    pub(super) fn keep_to_caller(
        &self,
        response: Response<Body<R>>,
        reason: &'static str,
    ) -> Failure {
        self.private(response, reason)
    }

    /// A failure that was told is shared as other answers are: with those for whom nothing was invalidated meanwhile.
    pub(super) fn told(&self, snapshot: Snapshot) -> Result<Snapshot, Failure> {
        if self.shared.settings.share_failures {
            Ok(snapshot)
        } else {
            Err(Failure::Response(snapshot))
        }
    }

    /// Leaves with the caller what the shared response does not have.
    pub(super) fn leave(&self, extras: Extras) {
        self.own.put(Brought::Extras(extras));
    }
}
