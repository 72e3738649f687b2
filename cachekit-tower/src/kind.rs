//! The protocol of a request.

use http::{HeaderMap, header};

/// What a request speaks. One layer serves both on one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Anything that is not gRPC, gRPC-Web included.
    Http,
    /// gRPC, by its `content-type`.
    Grpc,
}

impl Kind {
    /// What a request with these headers says it speaks. Layers that guard writes take it for HTTP's all the same unless
    /// it is a `POST` to what may be a call's path.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        const GRPC: &[u8] = b"application/grpc";
        let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Self::Http };
        let (start, rest) = kind.as_bytes().split_at(kind.len().min(GRPC.len()));
        let is_grpc =
            start.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';'));
        if is_grpc { Self::Grpc } else { Self::Http }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_known_by_its_content_type() {
        let kind = |text: &'static str| {
            let value = http::HeaderValue::from_static(text);
            Kind::of(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
        };
        for grpc in ["application/grpc", "application/grpc+proto", "application/grpc;x=y"] {
            assert_eq!(kind(grpc), Kind::Grpc, "{grpc}");
        }
        for http in [
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grp",
            "text/html",
            "",
        ] {
            assert_eq!(kind(http), Kind::Http, "{http}");
        }
        assert_eq!(Kind::of(&HeaderMap::new()), Kind::Http);
    }
}
