//! Conditional requests (RFC 9110 §13): whether a response that is at hand is one that the client has.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::headers::has_any;

/// What a request asks to be compared, taken out of its headers so that a handler answers in full.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    none_match: Vec<HeaderValue>,
    modified_since: Option<HeaderValue>,
}

/// What is compared.
const NAMES: [HeaderName; 2] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// What of a response a 304 repeats (RFC 9110 §15.4.5), and what does not describe it but is for the client.
const REPEATED: [HeaderName; 9] = [
    header::AGE,
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::SET_COOKIE,
    header::VARY,
    HeaderName::from_static("cache-status"),
];

impl Conditions {
    /// The conditions of a request; there are none but those of `GET` and `HEAD`.
    pub(crate) fn of(method: &Method, headers: &HeaderMap) -> Self {
        if !matches!(*method, Method::GET | Method::HEAD) || !has_any(headers, &NAMES) {
            return Self::default();
        }
        let mut since = headers.get_all(header::IF_MODIFIED_SINCE).iter();
        let one = since.next().filter(|_| since.next().is_none());
        Self {
            none_match: headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect(),
            modified_since: one.cloned(),
        }
    }

    /// Takes them out of a request that is to be answered in full.
    pub(crate) fn hide(headers: &mut HeaderMap) {
        if has_any(headers, &NAMES) {
            NAMES.iter().for_each(|name| drop(headers.remove(name)));
        }
    }

    /// Whether the client has this response already.
    pub(crate) fn hold_for(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        if status != StatusCode::OK {
            return false;
        }
        if !self.none_match.is_empty() {
            let tag = headers.get(header::ETAG).map(HeaderValue::as_bytes);
            return self.none_match.iter().any(|line| names(line.as_bytes(), tag));
        }
        self.modified_since.as_ref().is_some_and(|since| is_unmodified(since, headers))
    }
}

/// Makes the head of a response one of a 304.
pub(crate) fn not_modified(headers: &mut HeaderMap) {
    let lines = std::mem::take(headers);
    let mut last = None;
    for (name, value) in lines {
        // A line without a name has that of the one before it.
        let name = name.or(last.take());
        if let Some(name) = name {
            if REPEATED.contains(&name) {
                headers.append(name.clone(), value);
            }
            last = Some(name);
        }
    }
}

/// Whether a list of entity tags, or `*`, names this one; weak comparison (RFC 9110 §8.8.3.2).
fn names(line: &[u8], tag: Option<&[u8]>) -> bool {
    if line.trim_ascii() == b"*" {
        return true;
    }
    let Some(tag) = tag.map(opaque) else { return false };
    tags(line).any(|named| named == tag)
}

fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The quoted parts of a list, quotes included. A tag has no escapes and may hold commas.
fn tags(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|&byte| byte == b'"')?;
        let end = rest[start + 1..].iter().position(|&byte| byte == b'"')? + start + 2;
        let tag = &rest[start..end];
        rest = &rest[end..];
        Some(tag)
    })
}

/// Against `Last-Modified`, or `Date` where that is missing: what was made in the second of the client's copy may be
/// newer than that.
fn is_unmodified(since: &HeaderValue, headers: &HeaderMap) -> bool {
    let date = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
    let Some(since) = date(since) else { return false };
    match (headers.get(header::LAST_MODIFIED), headers.get(header::DATE)) {
        (Some(modified), _) => date(modified).is_some_and(|modified| modified <= since),
        (None, made) => made.and_then(date).is_some_and(|made| made < since),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATE: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.clone(), value.parse().unwrap());
        }
        headers
    }

    fn hold(request: &[(HeaderName, &str)], response: &[(HeaderName, &str)]) -> bool {
        let conditions = Conditions::of(&Method::GET, &headers(request));
        conditions.hold_for(StatusCode::OK, &headers(response))
    }

    #[test]
    fn if_none_match_precedence() {
        use header::{DATE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
        let tagged = [(ETAG, "\"a\""), (LAST_MODIFIED, EARLY)];
        assert!(hold(&[(IF_NONE_MATCH, "\"a\"")], &tagged));
        assert!(hold(&[(IF_NONE_MATCH, "W/\"a\"")], &tagged));
        assert!(hold(&[(IF_NONE_MATCH, "\"x,y\", \"a\"")], &tagged));
        assert!(hold(&[(IF_NONE_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")], &tagged));
        assert!(hold(&[(IF_NONE_MATCH, "*")], &tagged));
        assert!(!hold(&[(IF_NONE_MATCH, "a")], &tagged));
        assert!(!hold(&[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, LATE)], &tagged));
        assert!(hold(&[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, "soon")], &tagged));
        assert!(hold(&[(IF_MODIFIED_SINCE, EARLY)], &tagged));
        assert!(hold(&[(IF_MODIFIED_SINCE, LATE)], &[(DATE, EARLY)]));
        assert!(!hold(&[(IF_MODIFIED_SINCE, EARLY)], &[(DATE, LATE)]));
        assert!(!hold(&[(IF_MODIFIED_SINCE, "soon")], &tagged));
        assert!(!hold(&[(IF_MODIFIED_SINCE, LATE), (IF_MODIFIED_SINCE, LATE)], &tagged));
        assert!(!hold(&[], &tagged));
    }

    #[test]
    fn a_response_of_the_same_second_is_not_known_to_be_unmodified() {
        use header::{DATE, IF_MODIFIED_SINCE, LAST_MODIFIED};
        assert!(!hold(&[(IF_MODIFIED_SINCE, EARLY)], &[(DATE, EARLY)]));
        assert!(hold(&[(IF_MODIFIED_SINCE, EARLY)], &[(DATE, LATE), (LAST_MODIFIED, EARLY)]));
        assert!(!hold(&[(IF_MODIFIED_SINCE, LATE)], &[(DATE, EARLY), (LAST_MODIFIED, "soon")]));
    }

    #[test]
    fn other_statuses_and_methods_have_no_conditions() {
        let request = headers(&[(header::IF_NONE_MATCH, "*")]);
        let response = headers(&[(header::ETAG, "\"a\"")]);
        let get = Conditions::of(&Method::GET, &request);
        assert!(!get.hold_for(StatusCode::NOT_FOUND, &response));
        assert!(!Conditions::of(&Method::PUT, &request).hold_for(StatusCode::OK, &response));
    }

    #[test]
    fn a_304_repeats_what_describes_the_response() {
        let mut head = headers(&[
            (header::VARY, "accept"),
            (header::VARY, "origin"),
            (header::CONTENT_TYPE, "text/plain"),
            (header::CONTENT_LENGTH, "5"),
            (header::SET_COOKIE, "session=1"),
            (header::ETAG, "\"a\""),
        ]);
        not_modified(&mut head);
        let expected = headers(&[
            (header::VARY, "accept"),
            (header::VARY, "origin"),
            (header::SET_COOKIE, "session=1"),
            (header::ETAG, "\"a\""),
        ]);
        assert_eq!(head, expected);
    }
}
