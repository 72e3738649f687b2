//! The `Cache-Status` line (RFC 9211): what the cache made of a request.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

const NAME: HeaderName = HeaderName::from_static("cache-status");

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheStatus {
    /// Answered from the cache; with the seconds that were left, less than none if it was stale.
    Hit { ttl: i64, stale: bool },
    /// The handler ran, or ran for somebody else.
    Forwarded {
        why: Forward,
        status: Option<StatusCode>,
        stored: bool,
        collapsed: bool,
        detail: Option<&'static str>,
    },
}

/// Why it went on to the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    UriMiss,
    VaryMiss,
    Bypass,
    Method,
    Request,
    Stale,
}

impl Forward {
    fn as_str(self) -> &'static str {
        match self {
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

impl CacheStatus {
    /// It was passed on untouched.
    pub(crate) fn passed(why: Forward, detail: Option<&'static str>) -> Self {
        Self::Forwarded { why, status: None, stored: false, collapsed: false, detail }
    }

    /// Appends it as the last member; those that are there came from caches nearer to the origin.
    pub(crate) fn append_to(self, headers: &mut HeaderMap, key: Option<&str>) {
        let mut text = self.to_text();
        if let Some(key) = key {
            let _never_fails = write!(text, "; key=\"{key}\"");
        }
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(NAME, value);
        }
    }

    fn to_text(self) -> String {
        let mut text = String::from("cachekit");
        let mut put = |part: &str| {
            text.push_str("; ");
            text.push_str(part);
        };
        match self {
            Self::Hit { ttl, stale } => {
                put("hit");
                put(&format!("ttl={ttl}"));
                if stale {
                    put("detail=stale");
                }
            }
            Self::Forwarded { why, status, stored, collapsed, detail } => {
                put(&format!("fwd={}", why.as_str()));
                if let Some(status) = status {
                    put(&format!("fwd-status={}", status.as_u16()));
                }
                if stored {
                    put("stored");
                }
                if collapsed {
                    put("collapsed");
                }
                if let Some(detail) = detail {
                    put(&format!("detail={detail}"));
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_written_as_the_rfc_has_them() {
        let miss = |stored, collapsed, detail| CacheStatus::Forwarded {
            why: Forward::UriMiss,
            status: Some(StatusCode::OK),
            stored,
            collapsed,
            detail,
        };
        let table = [
            (CacheStatus::Hit { ttl: 24, stale: false }, "cachekit; hit; ttl=24"),
            (CacheStatus::Hit { ttl: -3, stale: true }, "cachekit; hit; ttl=-3; detail=stale"),
            (miss(true, false, None), "cachekit; fwd=uri-miss; fwd-status=200; stored"),
            (miss(true, true, None), "cachekit; fwd=uri-miss; fwd-status=200; stored; collapsed"),
            (
                miss(false, false, Some("set-cookie")),
                "cachekit; fwd=uri-miss; fwd-status=200; detail=set-cookie",
            ),
            (
                CacheStatus::passed(Forward::Bypass, Some("credentials")),
                "cachekit; fwd=bypass; detail=credentials",
            ),
            (CacheStatus::passed(Forward::Method, None), "cachekit; fwd=method"),
        ];
        for (status, expected) in table {
            assert_eq!(status.to_text(), expected);
        }
    }

    #[test]
    fn it_comes_last() {
        let mut headers = HeaderMap::new();
        headers.append(NAME, HeaderValue::from_static("origin; hit"));
        CacheStatus::Hit { ttl: 1, stale: false }.append_to(&mut headers, Some("a"));
        let lines: Vec<_> = headers.get_all(NAME).iter().collect();
        assert_eq!(lines, ["origin; hit", "cachekit; hit; ttl=1; key=\"a\""]);
    }
}
