//! Reading a run's response, as far as it may be shared.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header, response::Parts};
use http_body::Body as HttpBody;

use super::{admit::Plan, config::Config};
use crate::{
    Body, BoxError, Kind,
    collect::{Collected, Collecting, Whole, Why, collect, content_length, must_stream},
    sharing,
};

/// A run's response, read as far as it may be shared.
pub(super) enum Read<R> {
    /// For its starter alone.
    Alone(Response<Body<R>>),
    /// It breaks off.
    Broken(Response<Body<R>>),
    Whole(Parts, Whole),
}

/// A response that is read.
#[expect(clippy::large_enum_variant, reason = "the small one is rare")]
pub(super) enum Reading<R> {
    /// Its head says that it is for its starter alone.
    Alone(Option<Box<Response<Body<R>>>>),
    Body(Option<Parts>, Collecting<R>),
}

impl Config {
    /// Reads a run's response to this request.
    pub(super) fn read<R>(&self, plan: &Plan, response: Response<R>) -> Reading<R>
    where
        R: HttpBody<Data = Bytes>,
        R::Error: Into<BoxError>,
    {
        let (parts, body) = response.into_parts();
        let bytes = self.response.bytes;
        let bodiless = plan.method == Method::HEAD
            || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let streams = !(bodiless && body.is_end_stream())
            && must_stream(parts.status, &parts.headers, &body.size_hint(), bytes);
        let keyed = |name: &HeaderName| self.is_keyed(plan, name);
        if streams || sharing::refusal(&parts.headers, keyed).is_some() {
            let response = Response::from_parts(parts, Body::through(body));
            return Reading::Alone(Some(Box::new(response)));
        }
        let length = content_length(&parts.headers).filter(|_| !bodiless);
        Reading::Body(Some(parts), collect(body, length, &self.response))
    }

    /// Whether all requests of one identity have this header alike.
    fn is_keyed(&self, plan: &Plan, name: &HeaderName) -> bool {
        let of_call = ["grpc-encoding", "grpc-accept-encoding"];
        *name == header::HOST
            || self.shown.declared.contains(name)
            || (self.credentials.are_shown() && self.credentials.is_one(name))
            || (plan.kind == Kind::Grpc && of_call.contains(&name.as_str()))
    }
}

impl<R> Future for Reading<R>
where
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Output = Read<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Read<R>> {
        const POLLED: &str = "a response is read once";
        let (parts, body) = match &mut *self {
            Self::Alone(response) => {
                return Poll::Ready(Read::Alone(*response.take().expect(POLLED)));
            }
            Self::Body(parts, body) => (parts, body),
        };
        let collected = ready!(Pin::new(body).poll(cx));
        let parts = parts.take().expect(POLLED);
        Poll::Ready(match collected {
            Collected::Whole(whole) => Read::Whole(parts, whole),
            Collected::Not(body, Why::Broken) => Read::Broken(Response::from_parts(parts, body)),
            Collected::Not(body, _) => Read::Alone(Response::from_parts(parts, body)),
        })
    }
}

/// Whether a response is a failure of the server's.
pub(super) fn is_failure(kind: Kind, parts: &Parts, trailers: Option<&HeaderMap>) -> bool {
    /// Unknown, deadline exceeded, aborted, internal, unavailable, data loss.
    const CODES: [&str; 6] = ["2", "4", "10", "13", "14", "15"];
    let failed = |headers: &HeaderMap| {
        let code = headers.get("grpc-status").and_then(|code| code.to_str().ok());
        code.is_some_and(|code| CODES.contains(&code))
    };
    parts.status.is_server_error()
        || (kind == Kind::Grpc && (failed(&parts.headers) || trailers.is_some_and(failed)))
}

/// Whether a gRPC response says how it ended.
pub(super) fn is_complete(kind: Kind, parts: &Parts, trailers: Option<&HeaderMap>) -> bool {
    let says = |headers: &HeaderMap| headers.contains_key("grpc-status");
    kind == Kind::Http || says(&parts.headers) || trailers.is_some_and(says)
}
