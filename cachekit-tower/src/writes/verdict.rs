//! Whether a response may stand for a write.

use http::{HeaderMap, StatusCode, response::Parts};

use crate::Kind;

/// What a response says of the writes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There may have been one.
    Invalidate,
    /// There was none.
    Keep,
    /// The trailers will say.
    AtTrailers,
}

impl Verdict {
    pub(super) fn of_head(kind: Kind, head: &Parts) -> Self {
        match kind {
            Kind::Http if head.status.is_client_error() => Self::Keep,
            Kind::Http => Self::Invalidate,
            Kind::Grpc if head.status != StatusCode::OK => Self::Invalidate,
            Kind::Grpc if head.headers.contains_key(STATUS) => Self::of_status(&head.headers),
            Kind::Grpc => Self::AtTrailers,
        }
    }

    /// By the status in trailers, or in a head that is all there is.
    pub(super) fn of_status(headers: &HeaderMap) -> Self {
        const NO_WRITE: [&[u8]; 9] = [b"3", b"5", b"6", b"7", b"8", b"9", b"11", b"12", b"16"];
        match headers.get(STATUS) {
            Some(code) if NO_WRITE.contains(&code.as_bytes()) => Self::Keep,
            _ => Self::Invalidate,
        }
    }
}

const STATUS: &str = "grpc-status";

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Response};

    use super::*;

    fn head(status: u16, grpc: Option<&'static str>) -> Parts {
        let mut head = Response::builder().status(status).body(()).unwrap().into_parts().0;
        if let Some(code) = grpc {
            head.headers.insert(STATUS, HeaderValue::from_static(code));
        }
        head
    }

    #[test]
    fn http_goes_by_the_status() {
        for status in [200, 201, 204, 301, 304, 500, 503, 599, 101] {
            let verdict = Verdict::of_head(Kind::Http, &head(status, None));
            assert_eq!(verdict, Verdict::Invalidate, "{status}");
        }
        for status in [400, 404, 409, 429, 499] {
            assert_eq!(
                Verdict::of_head(Kind::Http, &head(status, None)),
                Verdict::Keep,
                "{status}"
            );
        }
    }

    /// All seventeen codes.
    #[test]
    fn grpc_goes_by_the_code() {
        let unknown = ["0", "1", "2", "4", "10", "13", "14", "15", "", "x", "99"];
        let verdict = |code| Verdict::of_head(Kind::Grpc, &head(200, Some(code)));
        for code in unknown {
            assert_eq!(verdict(code), Verdict::Invalidate, "{code}");
        }
        for code in ["3", "5", "6", "7", "8", "9", "11", "12", "16"] {
            assert_eq!(verdict(code), Verdict::Keep, "{code}");
        }
        assert_eq!(Verdict::of_head(Kind::Grpc, &head(200, None)), Verdict::AtTrailers);
        assert_eq!(Verdict::of_head(Kind::Grpc, &head(404, None)), Verdict::Invalidate);
        assert_eq!(Verdict::of_status(&HeaderMap::new()), Verdict::Invalidate);
    }
}
