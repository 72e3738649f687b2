//! What may become of a response: stored, shared with those who wait, or its first reader's alone.

use std::time::{Duration, SystemTime};

use cachekit_core::Ttl;
use http::{HeaderMap, HeaderName, StatusCode, header};

use super::{
    Freshness, headers,
    rfc9111::{self, Directives, Lifetime, Seconds},
    snapshot::Span,
};

/// What a layer was built with that responses are judged by.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// `None`: only where the response says so.
    pub(crate) ttl: Option<Ttl>,
    pub(crate) negative_ttl: Option<Ttl>,
    pub(crate) max_ttl: Duration,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    /// The request headers that are part of identities, in lower case.
    pub(crate) declared: Vec<HeaderName>,
}

/// What is known of a response before it is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) freshness: Option<Freshness>,
    pub(crate) has_trailers: bool,
    /// Whether whoever asked had credentials that were taken away.
    pub(crate) shared_across_users: bool,
}

/// What may become of it. The reason is one word for `Cache-Status` and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is stored.
    Stored(Span),
    /// Those who wait may have it.
    Shared(&'static str),
    /// It is its first reader's.
    Private(&'static str),
    /// The source failed; those who wait may be told.
    Failed(&'static str),
}

/// Whether entries of this status exist.
pub(crate) fn may_be_stored(status: StatusCode) -> bool {
    kind(status).is_some()
}

/// How much a response of a status must say to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Negative,
    Explicit,
}

fn kind(status: StatusCode) -> Option<Kind> {
    match status.as_u16() {
        200 | 203 | 204 | 301 | 308 => Some(Kind::Plain),
        404 | 410 => Some(Kind::Negative),
        300 | 302 | 303 | 307 | 405 => Some(Kind::Explicit),
        _ => None,
    }
}

impl Rules {
    /// Judges a response over HTTP by all that is said of it before any of it is dropped.
    pub(crate) fn judge(&self, facts: Facts<'_>, now: SystemTime) -> Verdict {
        if let Some(reason) = self.private_because(&facts) {
            return Verdict::Private(reason);
        }
        let directives = Directives::of(facts.headers);
        if facts.status.is_server_error() {
            return Verdict::Failed("status");
        }
        let Some(kind) = kind(facts.status) else { return Verdict::Shared("status") };
        if facts.has_trailers {
            return Verdict::Shared("trailers");
        }
        self.stored(kind, &facts, &directives, now)
    }

    /// Why nobody else may be given it, if so: its head says it all.
    pub(crate) fn private_because(&self, facts: &Facts<'_>) -> Option<&'static str> {
        let Facts { status, headers, freshness, .. } = *facts;
        let directives = &Directives::of(headers);
        if freshness == Some(Freshness::never()) {
            return Some("freshness");
        }
        if headers::sets_cookie(headers) {
            return Some("set-cookie");
        }
        if status.is_informational() || matches!(status.as_u16(), 206 | 304) {
            return Some("status");
        }
        if let Some(reason) = forbidden(directives, status, freshness.is_some()) {
            return Some(reason);
        }
        if rfc9111::varies_beyond(headers, &self.declared) {
            return Some("vary");
        }
        if reflects_origin(headers) && !self.declared.contains(&header::ORIGIN) {
            return Some("cors");
        }
        if has_nonce(headers) {
            return Some("csp-nonce");
        }
        let public = directives.public || matches!(directives.s_maxage, Seconds::Said(_));
        if facts.shared_across_users && !public && freshness.is_none() {
            return Some("not-public");
        }
        None
    }

    fn stored(
        &self,
        kind: Kind,
        facts: &Facts<'_>,
        directives: &Directives,
        now: SystemTime,
    ) -> Verdict {
        let explicit = match facts.freshness.and_then(Freshness::ttl) {
            Some(ttl) => Some(ttl),
            None => match directives.lifetime(facts.headers, now) {
                Lifetime::Secs(secs) => Some(Duration::from_secs(secs)),
                Lifetime::Unclear => return Verdict::Shared("lifetime"),
                Lifetime::Unsaid => None,
            },
        };
        let lifetime = match (explicit, kind) {
            (Some(lifetime), _) => lifetime.min(self.max_ttl),
            (None, Kind::Explicit) => return Verdict::Shared("lifetime"),
            (None, Kind::Plain) => drawn(self.ttl),
            (None, Kind::Negative) => drawn(self.negative_ttl),
        };
        let age = Duration::from_secs(rfc9111::received_age(facts.headers));
        match lifetime.saturating_sub(age) {
            Duration::ZERO => Verdict::Shared("lifetime"),
            left => Verdict::Stored(self.span(left, directives)),
        }
    }

    fn span(&self, fresh: Duration, directives: &Directives) -> Span {
        let window = |said: Seconds, own: Duration| match said.said() {
            _ if directives.forbid_stale() => 0,
            Some(secs) => secs.saturating_mul(1000).min(WIDEST_MS),
            None => millis(own),
        };
        Span {
            fresh_ms: millis(fresh).max(1),
            revalidate_ms: window(directives.stale_while_revalidate, self.stale_while_revalidate),
            error_ms: window(directives.stale_if_error, self.stale_if_error),
            failed: false,
        }
    }

    /// Judges what a gRPC method answered; `status` is its `grpc-status`.
    pub(crate) fn judge_grpc(&self, status: Option<u32>, freshness: Option<Freshness>) -> Verdict {
        let ttl = match status {
            _ if freshness == Some(Freshness::never()) => return Verdict::Private("freshness"),
            Some(0) => self.ttl,
            Some(5) => self.negative_ttl,
            // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS
            Some(2 | 4 | 13 | 14 | 15) => return Verdict::Failed("status"),
            Some(_) => return Verdict::Shared("status"),
            None => return Verdict::Private("status"),
        };
        let said = freshness.and_then(Freshness::ttl).map(|ttl| ttl.min(self.max_ttl));
        match said.unwrap_or_else(|| drawn(ttl)) {
            Duration::ZERO => Verdict::Shared("lifetime"),
            fresh => Verdict::Stored(self.span(fresh, &Directives::default())),
        }
    }
}

/// The widest window that a response may ask for, in which it will do past its lifetime: a day.
pub(crate) const WIDEST_MS: u64 = 86_400_000;

/// What the response's own directives forbid.
fn forbidden(directives: &Directives, status: StatusCode, told: bool) -> Option<&'static str> {
    if directives.broken {
        return Some("cache-control");
    }
    if told {
        // A handler that names a lifetime has the last word.
        return None;
    }
    let understood = directives.must_understand && kind(status).is_some();
    if directives.no_store && !understood {
        return Some("no-store");
    }
    if directives.private {
        return Some("private");
    }
    directives.no_cache.then_some("no-cache")
}

/// Whether the answer depends on who asked from where, without saying so.
fn reflects_origin(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter();
    lines.any(|line| line.as_bytes().trim_ascii() != b"*")
}

/// Whether the page has a word in it that must be another each time.
fn has_nonce(headers: &HeaderMap) -> bool {
    let policies = [header::CONTENT_SECURITY_POLICY, header::CONTENT_SECURITY_POLICY_REPORT_ONLY];
    let mut lines = policies.iter().flat_map(|name| headers.get_all(name));
    lines.any(|line| line.as_bytes().windows(7).any(|part| part.eq_ignore_ascii_case(b"'nonce-")))
}

fn drawn(ttl: Option<Ttl>) -> Duration {
    ttl.map_or(Duration::ZERO, |ttl| Duration::from_millis(ttl.sample_ms()))
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            ttl: Some(Ttl::from_millis(30_000, 0)),
            negative_ttl: Some(Ttl::from_millis(5_000, 0)),
            max_ttl: Duration::from_secs(3600),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            declared: vec![header::ACCEPT],
        }
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers
                .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn judge(status: u16, lines: &[(&str, &str)]) -> Verdict {
        let headers = headers(lines);
        let facts = Facts {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers,
            freshness: None,
            has_trailers: false,
            shared_across_users: false,
        };
        rules().judge(facts, SystemTime::UNIX_EPOCH)
    }

    fn stored(fresh_ms: u64) -> Verdict {
        Verdict::Stored(Span { fresh_ms, ..Span::default() })
    }

    #[test]
    fn response_table() {
        let control = |text: &'static str| [("cache-control", text)];
        type Row<'a> = (u16, &'a [(&'a str, &'a str)], Verdict);
        let table: &[Row<'_>] = &[
            (200, &[], stored(30_000)),
            (200, &control("max-age=60"), stored(60_000)),
            (200, &control("max-age=999999"), stored(3_600_000)),
            (200, &[("cache-control", "max-age=60"), ("age", "20")], stored(40_000)),
            (200, &[("age", "31")], Verdict::Shared("lifetime")),
            (200, &control("max-age=0"), Verdict::Shared("lifetime")),
            (200, &control("max-age=1, max-age=2"), Verdict::Shared("lifetime")),
            (200, &control("NO-STORE"), Verdict::Private("no-store")),
            (200, &control("private=\"x\""), Verdict::Private("private")),
            (200, &control("no-cache=\"x\""), Verdict::Private("no-cache")),
            (200, &[("pragma", "no-cache")], Verdict::Private("no-cache")),
            (200, &control("no-store, must-understand"), stored(30_000)),
            (299, &control("no-store, must-understand"), Verdict::Private("no-store")),
            (200, &[("vary", "accept")], stored(30_000)),
            (200, &[("vary", "accept, origin")], Verdict::Private("vary")),
            (200, &[("set-cookie", "a=b")], Verdict::Private("set-cookie")),
            (200, &[("access-control-allow-origin", "*")], stored(30_000)),
            (200, &[("access-control-allow-origin", "https://a")], Verdict::Private("cors")),
            (
                200,
                &[("content-security-policy", "script-src 'NONCE-abc'")],
                Verdict::Private("csp-nonce"),
            ),
            (200, &[("cdn-cache-control", "no-store")], stored(30_000)),
            (200, &[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")], stored(30_000)),
            (404, &[], stored(5_000)),
            (410, &control("max-age=9"), stored(9_000)),
            (302, &[], Verdict::Shared("lifetime")),
            (302, &control("max-age=9"), stored(9_000)),
            (206, &control("max-age=9"), Verdict::Private("status")),
            (304, &control("max-age=9"), Verdict::Private("status")),
            (500, &control("max-age=9"), Verdict::Failed("status")),
            (503, &control("no-store"), Verdict::Private("no-store")),
        ];
        for (status, lines, expected) in table {
            assert_eq!(judge(*status, lines), *expected, "{status} {lines:?}");
        }
    }

    #[test]
    fn errors_are_not_poison() {
        let said = [("cache-control", "public, max-age=60, must-understand, no-store")];
        for status in [400, 401, 403, 407, 408, 413, 414, 421, 425, 429, 431, 500, 502, 503, 504] {
            for lines in [&said[..], &[("cache-control", "public, s-maxage=60")]] {
                let verdict = judge(status, lines);
                assert!(!matches!(verdict, Verdict::Stored(_)), "{status} {verdict:?}");
            }
        }
    }

    #[test]
    fn windows_are_the_response_s_and_closed_by_must_revalidate() {
        let span = |text: &str| match judge(200, &[("cache-control", text)]) {
            Verdict::Stored(span) => (span.revalidate_ms, span.error_ms),
            other => panic!("{other:?}"),
        };
        assert_eq!(span("max-age=1, stale-while-revalidate=2, stale-if-error=3"), (2_000, 3_000));
        assert_eq!(span("max-age=1, stale-if-error=99999999"), (0, WIDEST_MS));
        for closing in ["must-revalidate", "proxy-revalidate", "s-maxage=1"] {
            let text = format!("max-age=1, stale-while-revalidate=2, stale-if-error=3, {closing}");
            assert_eq!(span(&text), (0, 0), "{closing}");
        }
    }

    #[test]
    fn credentials_that_were_taken_away_want_a_public_response() {
        let judge = |lines: &[(&str, &str)], freshness| {
            let headers = headers(lines);
            let facts = Facts {
                status: StatusCode::OK,
                headers: &headers,
                freshness,
                has_trailers: false,
                shared_across_users: true,
            };
            rules().judge(facts, SystemTime::UNIX_EPOCH)
        };
        assert_eq!(judge(&[], None), Verdict::Private("not-public"));
        assert_eq!(judge(&[("cache-control", "max-age=9")], None), Verdict::Private("not-public"));
        assert_eq!(judge(&[("cache-control", "public")], None), stored(30_000));
        assert_eq!(judge(&[("cache-control", "s-maxage=9")], None), stored(9_000));
        let two = Freshness::store_for(Duration::from_secs(2));
        assert_eq!(judge(&[("cache-control", "private")], Some(two)), stored(2_000));
    }
}
