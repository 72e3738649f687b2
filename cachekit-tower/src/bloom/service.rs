//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use cachekit_core::bloom::Verdict;
use http::{Request, Response, StatusCode};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::{ResponseFuture, layer::Shared, question::Answer};
use crate::{
    Body, BoxError, Kind, Rejection,
    body::{Extra, Next},
    collect::{Bounds, Collected, collect},
    macros::wraps,
    requests::{Concern, ready},
};

/// A service that is not asked for ids that were never issued; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct BloomService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> BloomService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

wraps!(BloomService<S>);

impl<S, B, R> Service<Request<B>> for BloomService<S>
where
    S: Service<Request<Body<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let kind = self.shared.kind(&parts);
        let concern = self.shared.concern(kind, &parts);
        let shared = self.shared.clone();
        let answer = (concern == Concern::Head).then(|| shared.ask_head(&mut parts)).flatten();
        match (concern, answer) {
            (_, Some(answer)) => {
                let request = Request::from_parts(parts, Body::through(body));
                // Kept over one round trip.
                let next = self.inner.clone();
                let readied = std::mem::replace(&mut self.inner, next);
                let run = ask(shared, readied, answer, request, kind);
                ResponseFuture::asking(Box::pin(run))
            }
            (Concern::Message, None) => {
                let service = self.inner.clone();
                drop(std::mem::replace(&mut self.inner, service.clone()));
                let request = Request::from_parts(parts, body);
                ResponseFuture::asking(Box::pin(read_and_ask(shared, service, request)))
            }
            (Concern::Head | Concern::Nothing, None) => {
                let request = Request::from_parts(parts, Body::through(body));
                ResponseFuture::through(self.inner.call(request))
            }
        }
    }
}

/// Calls the readied service unless the id does not exist.
async fn ask<S, B, R>(
    shared: Arc<Shared>,
    mut readied: S,
    answer: Answer,
    request: Request<Body<B>>,
    kind: Kind,
) -> Result<Response<Body<R>>, S::Error>
where
    S: Service<Request<Body<B>>, Response = Response<R>>,
    R: HttpBody<Data = Bytes>,
{
    let verdict = answer.await;
    if verdict == Verdict::Absent {
        drop(readied);
        return Ok(absent(&shared, kind, request));
    }
    let response = readied.call(request).await?;
    Ok(watched(shared, verdict, kind, response))
}

/// Reads the message first; meanwhile nobody's readiness is kept.
async fn read_and_ask<S, B, R>(
    shared: Arc<Shared>,
    mut service: S,
    request: Request<B>,
) -> Result<Response<Body<R>>, S::Error>
where
    S: Service<Request<Body<B>>, Response = Response<R>>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    let (body, answer) = match collect(body, None, &Bounds::REQUEST).await {
        Collected::Whole(whole) => {
            let answer = shared.ask_message(parts.uri.path(), &whole.data);
            (whole.into_body(), answer)
        }
        Collected::Not(body, _) => (body, None),
    };
    let request = Request::from_parts(parts, body);
    let verdict = match answer {
        Some(answer) => answer.await,
        None => Verdict::Unknown,
    };
    if verdict == Verdict::Absent {
        return Ok(absent(&shared, Kind::Grpc, request));
    }
    ready(&mut service).await?;
    let response = service.call(request).await?;
    Ok(watched(shared, verdict, Kind::Grpc, response))
}

fn absent<B, R>(shared: &Shared, kind: Kind, request: Request<B>) -> Response<Body<R>> {
    shared.note_refused();
    let (parts, _) = request.into_parts();
    shared.rejecter.response_of(kind, &Rejection::Absent, &parts)
}

/// The response as it is, looked at for an id that passed and was not found.
fn watched<R: HttpBody<Data = Bytes>>(
    shared: Arc<Shared>,
    verdict: Verdict,
    kind: Kind,
    response: Response<R>,
) -> Response<Body<R>> {
    if verdict != Verdict::Maybe {
        return response.map(Body::through);
    }
    match kind {
        Kind::Http if response.status() == StatusCode::NOT_FOUND => shared.note_found_absent(),
        Kind::Grpc if response.headers().get(STATUS).is_some_and(|code| code == NOT_FOUND) => {
            shared.note_found_absent();
        }
        Kind::Grpc if !response.body().is_end_stream() => {
            return response.map(|body| Body::through(body).with_extra(Box::new(Watch(shared))));
        }
        Kind::Http | Kind::Grpc => {}
    }
    response.map(Body::through)
}

const STATUS: &str = "grpc-status";
const NOT_FOUND: &str = "5";

/// Looks at trailers.
struct Watch(Arc<Shared>);

impl Extra for Watch {
    fn poll_end(&mut self, last: &mut Next, _: &mut Context<'_>) -> Poll<()> {
        let trailers = match last {
            Some(Ok(frame)) => frame.trailers_ref(),
            Some(Err(_)) | None => None,
        };
        if trailers.and_then(|trailers| trailers.get(STATUS)).is_some_and(|code| code == NOT_FOUND)
        {
            self.0.note_found_absent();
        }
        Poll::Ready(())
    }
}
