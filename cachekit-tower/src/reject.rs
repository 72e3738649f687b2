//! Answers of the layers' own: refusals are responses, not errors.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};

use crate::{Body, Kind};

/// Why a layer answered in the place of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// Another request holds the lock, and this one does not wait.
    Busy {
        /// When it may be tried again.
        retry_after: Duration,
    },
    /// Another request held the lock for as long as this one waits.
    WaitExhausted {
        /// When it may be tried again.
        retry_after: Duration,
    },
    /// As many requests wait for the lock as may.
    TooManyWaiters {
        /// When it may be tried again.
        retry_after: Duration,
    },
    /// The lock was lost while the handler ran: whether it did its work is unknown.
    LockLost,
    /// The store that processes share cannot be reached.
    StoreUnavailable,
    /// A piece of the request that the key names is missing, or is there twice.
    KeyMissing,
    /// The run that this request shared failed, and so did those after it.
    FlightFailed,
    /// The request wants a stored response, and there is none.
    OnlyIfCached,
    /// There never was such an id.
    Absent,
}

/// What contended HTTP requests are answered with.
pub(crate) const CONTENTION: [StatusCode; 3] =
    [StatusCode::TOO_MANY_REQUESTS, StatusCode::CONFLICT, StatusCode::LOCKED];

/// What contended gRPC calls are answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentionCode {
    /// `ABORTED`: try again at a higher level.
    #[default]
    Aborted,
    /// `RESOURCE_EXHAUSTED`.
    ResourceExhausted,
}

/// A response of the user's own in the place of those of the tables.
type Own = dyn Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync;

/// Makes responses of rejections.
#[derive(Clone)]
pub(crate) struct Rejecter {
    pub(crate) own: Option<Arc<Own>>,
    pub(crate) contention: StatusCode,
    pub(crate) contention_code: ContentionCode,
}

impl Default for Rejecter {
    fn default() -> Self {
        let contention = StatusCode::TOO_MANY_REQUESTS;
        Self { own: None, contention, contention_code: ContentionCode::default() }
    }
}

impl fmt::Debug for Rejecter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejecter").field("contention", &self.contention).finish_non_exhaustive()
    }
}

impl Rejecter {
    /// The answer to a request with this head.
    pub(crate) fn response<B>(&self, rejection: &Rejection, parts: &Parts) -> Response<Body<B>> {
        if let Some(own) = &self.own {
            return own(rejection, parts).map(Body::full);
        }
        match Kind::of(&parts.headers) {
            Kind::Grpc => self.grpc(rejection),
            Kind::Http => self.http(rejection, &parts.method),
        }
    }

    fn http<B>(&self, rejection: &Rejection, method: &Method) -> Response<Body<B>> {
        let status = self.status(rejection);
        let title = status.canonical_reason().unwrap_or("Error");
        let (number, detail) = (status.as_u16(), rejection.detail());
        let problem = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{number},"detail":"{detail}"}}"#
        );
        let body = if *method == Method::HEAD { Body::empty() } else { Body::full(problem) };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem);
        if let Some(after) = rejection.retry_after() {
            let secs = (after + Duration::from_millis(500)).as_secs().max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }

    fn status(&self, rejection: &Rejection) -> StatusCode {
        match rejection {
            Rejection::Busy { .. }
            | Rejection::WaitExhausted { .. }
            | Rejection::TooManyWaiters { .. } => self.contention,
            Rejection::LockLost | Rejection::StoreUnavailable | Rejection::FlightFailed => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Rejection::KeyMissing => StatusCode::BAD_REQUEST,
            Rejection::OnlyIfCached => StatusCode::GATEWAY_TIMEOUT,
            Rejection::Absent => StatusCode::NOT_FOUND,
        }
    }

    /// Trailers only: all of it in the head, no body.
    fn grpc<B>(&self, rejection: &Rejection) -> Response<Body<B>> {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from(self.code(rejection)));
        headers.insert("grpc-message", HeaderValue::from_static(rejection.detail()));
        let pushback = match (rejection, rejection.retry_after()) {
            (Rejection::LockLost, _) => Some(HeaderValue::from_static("-1")),
            (_, after) => after.map(|after| {
                HeaderValue::from(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
            }),
        };
        if let Some(pushback) = pushback {
            headers.insert("grpc-retry-pushback-ms", pushback);
        }
        response
    }

    fn code(&self, rejection: &Rejection) -> u16 {
        const INVALID_ARGUMENT: u16 = 3;
        const NOT_FOUND: u16 = 5;
        const RESOURCE_EXHAUSTED: u16 = 8;
        const ABORTED: u16 = 10;
        const UNAVAILABLE: u16 = 14;
        match rejection {
            Rejection::Busy { .. }
            | Rejection::WaitExhausted { .. }
            | Rejection::TooManyWaiters { .. } => match self.contention_code {
                ContentionCode::Aborted => ABORTED,
                ContentionCode::ResourceExhausted => RESOURCE_EXHAUSTED,
            },
            Rejection::LockLost => ABORTED,
            // The last one is a directive of HTTP's, which no call has.
            Rejection::StoreUnavailable | Rejection::FlightFailed | Rejection::OnlyIfCached => {
                UNAVAILABLE
            }
            Rejection::KeyMissing => INVALID_ARGUMENT,
            Rejection::Absent => NOT_FOUND,
        }
    }
}

impl Rejection {
    /// When it may be tried again, if that is known.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after }
            | Self::WaitExhausted { retry_after }
            | Self::TooManyWaiters { retry_after } => Some(*retry_after),
            Self::StoreUnavailable => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    fn detail(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "another request holds the lock",
            Self::WaitExhausted { .. } => "another request held the lock for too long",
            Self::TooManyWaiters { .. } => "too many requests wait for the lock",
            Self::LockLost => "the lock was lost, the outcome is unknown",
            Self::StoreUnavailable => "the store is unavailable",
            Self::KeyMissing => "a piece of the request is missing or is there twice",
            Self::FlightFailed => "the shared request failed",
            Self::OnlyIfCached => "no stored response",
            Self::Absent => "there is no such thing",
        }
    }
}

/// When to try again, after a lock that is held for so long on average: 1 to 30 s, and up to one more.
pub(crate) fn retry_after(mean_hold: Duration) -> Duration {
    let clamped = mean_hold.clamp(Duration::from_secs(1), Duration::from_secs(30));
    clamped + Duration::from_millis(fastrand::u64(0..1000))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body::Body as _;
    use http_body_util::{BodyExt as _, Empty};

    use super::*;

    const AFTER: Duration = Duration::from_millis(2300);

    fn parts(method: Method, kind: Option<&str>) -> Parts {
        let mut request = Request::builder().method(method);
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn answer(
        rejecter: &Rejecter,
        rejection: Rejection,
        parts: &Parts,
    ) -> Response<Body<Empty<Bytes>>> {
        rejecter.response(&rejection, parts)
    }

    #[tokio::test]
    async fn http_rejections_are_problems_that_nobody_stores() {
        let get = parts(Method::GET, None);
        let table = [
            (Rejection::Busy { retry_after: AFTER }, 429, Some("2")),
            (Rejection::WaitExhausted { retry_after: AFTER }, 429, Some("2")),
            (Rejection::TooManyWaiters { retry_after: AFTER }, 429, Some("2")),
            (Rejection::LockLost, 503, None),
            (Rejection::StoreUnavailable, 503, Some("1")),
            (Rejection::KeyMissing, 400, None),
            (Rejection::FlightFailed, 503, None),
            (Rejection::OnlyIfCached, 504, None),
            (Rejection::Absent, 404, None),
        ];
        for (rejection, status, after) in table {
            let response = answer(&Rejecter::default(), rejection, &get);
            let header = |name| response.headers().get(name).map(|v| v.to_str().unwrap());
            assert_eq!(response.status(), status, "{rejection:?}");
            assert_eq!(header("retry-after"), after, "{rejection:?}");
            assert_eq!(header("cache-control"), Some("no-store"));
            assert_eq!(header("content-type"), Some("application/problem+json"));
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let start = r#"{"type":"about:blank","title":""#;
            assert!(body.starts_with(start.as_bytes()), "{body:?}");
            assert!(body.ends_with(format!(r#""detail":"{}"}}"#, rejection.detail()).as_bytes()));
        }
        let head = answer(&Rejecter::default(), Rejection::Absent, &parts(Method::HEAD, None));
        assert!(head.body().is_end_stream());
    }

    #[test]
    fn grpc_rejections_are_trailers_only() {
        let call = parts(Method::POST, Some("application/grpc+proto"));
        let table = [
            (Rejection::Busy { retry_after: AFTER }, "10", Some("2300")),
            (Rejection::LockLost, "10", Some("-1")),
            (Rejection::StoreUnavailable, "14", Some("1000")),
            (Rejection::KeyMissing, "3", None),
            (Rejection::FlightFailed, "14", None),
            (Rejection::Absent, "5", None),
        ];
        for (rejection, code, pushback) in table {
            let response = answer(&Rejecter::default(), rejection, &call);
            let header = |name| response.headers().get(name).map(|v| v.to_str().unwrap());
            assert_eq!(response.status(), 200);
            assert_eq!(header("grpc-status"), Some(code), "{rejection:?}");
            assert_eq!(header("grpc-retry-pushback-ms"), pushback, "{rejection:?}");
            assert_eq!(header("content-type"), Some("application/grpc"));
            assert!(response.body().is_end_stream());
        }
    }

    #[test]
    fn contention_may_be_told_otherwise() {
        let own: Arc<Own> = Arc::new(|rejection, parts| {
            Response::new(format!("{rejection:?} {}", parts.method).into())
        });
        let busy = Rejection::Busy { retry_after: AFTER };
        let rejecter = Rejecter {
            own: None,
            contention: StatusCode::LOCKED,
            contention_code: ContentionCode::ResourceExhausted,
        };
        assert_eq!(answer(&rejecter, busy, &parts(Method::PUT, None)).status(), 423);
        let call = answer(&rejecter, busy, &parts(Method::POST, Some("application/grpc")));
        assert_eq!(call.headers()["grpc-status"], "8");
        let rejecter = Rejecter { own: Some(own), ..rejecter };
        let own = answer(&rejecter, Rejection::Absent, &parts(Method::PUT, None));
        assert_eq!(own.body().size_hint().exact(), Some("Absent PUT".len() as u64));
    }

    #[test]
    fn retry_after_is_clamped_and_jittered() {
        let all: Vec<_> = (0..50).map(|_| retry_after(Duration::ZERO)).collect();
        assert!(all.iter().all(|after| (1.0..2.0).contains(&after.as_secs_f64())));
        assert!(all.iter().any(|after| *after != all[0]));
        assert!(retry_after(Duration::from_secs(100)) < Duration::from_secs(31));
    }
}
