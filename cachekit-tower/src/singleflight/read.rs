//! Reading a run's response, as far as it may be shared.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header, response::Parts};
use http_body::Body as HttpBody;

use super::{admit::Plan, config::Config};
use crate::{
    Body, BoxError, Kind,
    collect::{Collected, Whole, Why, collect, content_length, must_stream},
    sharing,
};

/// A run's response.
pub(super) enum Read<R> {
    /// For its starter alone.
    Alone(Response<Body<R>>),
    /// It breaks off.
    Broken(Response<Body<R>>),
    Whole(Parts, Whole),
}

impl Config {
    pub(super) async fn read<R>(&self, plan: &Plan, response: Response<R>) -> Read<R>
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
            return Read::Alone(Response::from_parts(parts, Body::through(body)));
        }
        let length = content_length(&parts.headers).filter(|_| !bodiless);
        match collect(body, length, &self.response).await {
            Collected::Whole(whole) => Read::Whole(parts, whole),
            Collected::Not(body, why) => {
                let response = Response::from_parts(parts, body);
                if why == Why::Broken { Read::Broken(response) } else { Read::Alone(response) }
            }
        }
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
