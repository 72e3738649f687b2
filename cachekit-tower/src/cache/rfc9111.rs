//! The part of HTTP caching (RFC 9111) that decides: directives, lifetimes, ages, and what `Vary` names.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header};

/// The largest number of seconds that a directive or an `Age` says (RFC 9111 §1.2.2).
const MOST_SECS: u64 = 1 << 31;

/// What a message's `Cache-Control` lines say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    /// With or without a list of fields.
    pub(crate) no_cache: bool,
    /// With or without a list of fields.
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Seconds,
    pub(crate) s_maxage: Seconds,
    pub(crate) stale_while_revalidate: Seconds,
    pub(crate) stale_if_error: Seconds,
    pub(crate) min_fresh: Seconds,
    /// A quoted string without an end.
    pub(crate) broken: bool,
}

/// The argument of a directive that counts seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Seconds {
    #[default]
    Absent,
    Said(u64),
    /// No integer, or several that differ.
    Unclear,
}

/// How long a response says that it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// It says nothing.
    Unsaid,
    Secs(u64),
    /// What it says cannot be read, so it is past.
    Unclear,
}

impl Seconds {
    pub(crate) fn said(self) -> Option<u64> {
        match self {
            Self::Said(secs) => Some(secs),
            Self::Absent | Self::Unclear => None,
        }
    }

    /// Takes one more argument of the same directive.
    fn and(&mut self, argument: Option<&[u8]>) {
        let read = argument.and_then(seconds).map_or(Self::Unclear, Self::Said);
        *self = match *self {
            Self::Absent => read,
            before if before == read => before,
            _ => Self::Unclear,
        };
    }
}

impl Directives {
    /// Reads all `Cache-Control` lines; with none of them, `Pragma: no-cache` counts as that (RFC 9111 §5.4).
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        for line in headers.get_all(header::CACHE_CONTROL) {
            directives.read(line.as_bytes());
        }
        if !headers.contains_key(header::CACHE_CONTROL) {
            let pragma =
                headers.get_all(header::PRAGMA).iter().flat_map(|line| members(line.as_bytes()));
            directives.no_cache |=
                pragma.filter_map(Result::ok).any(|member| is(member, b"no-cache"));
        }
        directives
    }

    fn read(&mut self, line: &[u8]) {
        for member in members(line) {
            match member {
                Ok(member) => self.take(member),
                Err(Unended) => self.broken = true,
            }
        }
    }

    fn take(&mut self, member: &[u8]) {
        let (name, argument) = match member.iter().position(|&byte| byte == b'=') {
            Some(at) => (trim(&member[..at]), Some(trim(&member[at + 1..]))),
            None => (member, None),
        };
        match name.to_ascii_lowercase().as_slice() {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache = true,
            b"private" => self.private = true,
            b"public" => self.public = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => self.max_age.and(argument),
            b"s-maxage" => self.s_maxage.and(argument),
            b"stale-while-revalidate" => self.stale_while_revalidate.and(argument),
            b"stale-if-error" => self.stale_if_error.and(argument),
            b"min-fresh" => self.min_fresh.and(argument),
            _ => {}
        }
    }

    /// Whether it may never be answered past its lifetime (RFC 9111 §4.2.4).
    pub(crate) fn forbid_stale(&self) -> bool {
        let shared = self.s_maxage != Seconds::Absent;
        self.must_revalidate || self.proxy_revalidate || self.no_cache || shared
    }

    /// How long a response with these directives is good, before its age is taken off.
    pub(crate) fn lifetime(&self, headers: &HeaderMap, now: SystemTime) -> Lifetime {
        for secs in [self.s_maxage, self.max_age] {
            match secs {
                Seconds::Said(secs) => return Lifetime::Secs(secs),
                Seconds::Unclear => return Lifetime::Unclear,
                Seconds::Absent => {}
            }
        }
        expires(headers, now)
    }
}

/// `Expires` less `Date`. What is no date, and two lines of it, are in the past.
fn expires(headers: &HeaderMap, now: SystemTime) -> Lifetime {
    let mut lines = headers.get_all(header::EXPIRES).iter();
    let Some(line) = lines.next() else { return Lifetime::Unsaid };
    let date = |line: &http::HeaderValue| httpdate::parse_http_date(line.to_str().ok()?).ok();
    let from = headers.get(header::DATE).and_then(date).unwrap_or(now);
    match (date(line), lines.next()) {
        (Some(until), None) => {
            let left = until.duration_since(from).unwrap_or_default();
            Lifetime::Secs(left.as_secs().min(MOST_SECS))
        }
        _ => Lifetime::Secs(0),
    }
}

/// How old a response was when it was received: the first member of its first `Age`, if that is an integer.
pub(crate) fn received_age(headers: &HeaderMap) -> u64 {
    let first = headers.get(header::AGE).map(|line| line.as_bytes());
    let member = first.and_then(|line| line.split(|&byte| byte == b',').next());
    member.map(trim).and_then(seconds).unwrap_or(0)
}

/// How old a stored response is: its age when it was received, and the time since then.
pub(crate) fn age_secs(received: u64, stored_ms: u64, now_ms: u64) -> u64 {
    received.saturating_add(now_ms.saturating_sub(stored_ms) / 1000).min(MOST_SECS)
}

/// The names in `Vary` that are not among `declared`, which have lower case; `*` is one of them.
pub(crate) fn varies_beyond(headers: &HeaderMap, declared: &[HeaderName]) -> bool {
    let lines = headers.get_all(header::VARY).iter();
    let mut names = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).map(trim);
    names.any(|name| {
        !name.is_empty() && !declared.iter().any(|known| is(name, known.as_str().as_bytes()))
    })
}

/// Those who read a clock and a stored time want them as milliseconds of Unix time.
pub(crate) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_millis().try_into().unwrap_or(u64::MAX)
}

// ===== grammar =====

/// A quoted string without an end: nothing behind its beginning can be read.
#[derive(Debug)]
struct Unended;

/// The members of a comma-separated line, empty ones left out. A comma in a quoted string parts nothing.
fn members(line: &[u8]) -> impl Iterator<Item = Result<&[u8], Unended>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        loop {
            let line = rest.take()?;
            let Some(end) = end_of_member(line) else { return Some(Err(Unended)) };
            if end < line.len() {
                rest = Some(&line[end + 1..]);
            }
            match trim(&line[..end]) {
                [] if rest.is_some() => {}
                [] => return None,
                member => return Some(Ok(member)),
            }
        }
    })
}

fn end_of_member(line: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return Some(at),
            _ => {}
        }
    }
    (!quoted).then_some(line.len())
}

/// An integer, bare or quoted, no larger than the largest there is.
fn seconds(text: &[u8]) -> Option<u64> {
    let bare = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    if bare.is_empty() || !bare.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(bare.iter().fold(0, add).min(MOST_SECS))
}

fn is(text: &[u8], name: &[u8]) -> bool {
    text.eq_ignore_ascii_case(name)
}

fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers
                .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn control(lines: &[&str]) -> Directives {
        let lines: Vec<_> = lines.iter().map(|line| ("cache-control", *line)).collect();
        Directives::of(&headers(&lines))
    }

    #[test]
    fn directive_table() {
        let none = Directives::default();
        let table: &[(&[&str], Directives)] = &[
            (&[], none.clone()),
            (&[""], none.clone()),
            (&[", ,"], none.clone()),
            (&["PRIVATE"], Directives { private: true, ..none.clone() }),
            (
                &["nO-StOrE, No-CaChE"],
                Directives { no_store: true, no_cache: true, ..none.clone() },
            ),
            (&["private=\"x-a, x-b\""], Directives { private: true, ..none.clone() }),
            (&["ext=\"no-store, max-age=9\""], none.clone()),
            (&["ext=\"a\\\", no-store\""], none.clone()),
            (&["ext=\"a\\\\\", no-store"], Directives { no_store: true, ..none.clone() }),
            (&["max-age=60"], Directives { max_age: Seconds::Said(60), ..none.clone() }),
            (&["MAX-AGE = \"60\""], Directives { max_age: Seconds::Said(60), ..none.clone() }),
            (
                &["max-age=60, max-age=60"],
                Directives { max_age: Seconds::Said(60), ..none.clone() },
            ),
            (
                &["max-age=60", "max-age=61"],
                Directives { max_age: Seconds::Unclear, ..none.clone() },
            ),
            (&["max-age=-1"], Directives { max_age: Seconds::Unclear, ..none.clone() }),
            (&["max-age"], Directives { max_age: Seconds::Unclear, ..none.clone() }),
            (&["max-age=1.5"], Directives { max_age: Seconds::Unclear, ..none.clone() }),
            (
                &["max-age=2147483649"],
                Directives { max_age: Seconds::Said(1 << 31), ..none.clone() },
            ),
            (
                &["max-age=99999999999999999999999"],
                Directives { max_age: Seconds::Said(1 << 31), ..none.clone() },
            ),
            (
                &["s-maxage=5, public, must-understand"],
                Directives {
                    s_maxage: Seconds::Said(5),
                    public: true,
                    must_understand: true,
                    ..none.clone()
                },
            ),
            (
                &["stale-while-revalidate=7,stale-if-error=8"],
                Directives {
                    stale_while_revalidate: Seconds::Said(7),
                    stale_if_error: Seconds::Said(8),
                    ..none.clone()
                },
            ),
            (&["ext=\"open, no-store"], Directives { broken: true, ..none.clone() }),
            (&["no-storage, xno-store"], none.clone()),
        ];
        for (lines, expected) in table {
            assert_eq!(control(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn pragma_counts_where_it_is_alone() {
        assert!(Directives::of(&headers(&[("pragma", "No-Cache")])).no_cache);
        let both = headers(&[("pragma", "no-cache"), ("cache-control", "max-age=5")]);
        assert!(!Directives::of(&both).no_cache);
    }

    #[test]
    fn lifetime_table() {
        const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let now = httpdate::parse_http_date(NOW).unwrap();
        let table: &[(&[(&str, &str)], Lifetime)] = &[
            (&[], Lifetime::Unsaid),
            (&[("cache-control", "s-maxage=1, max-age=2")], Lifetime::Secs(1)),
            (&[("cache-control", "max-age=2"), ("expires", NOW)], Lifetime::Secs(2)),
            (&[("cache-control", "max-age=x"), ("expires", NOW)], Lifetime::Unclear),
            (&[("expires", "Sun, 06 Nov 1994 08:50:37 GMT")], Lifetime::Secs(60)),
            (&[("expires", "Sunday, 06-Nov-94 08:50:37 GMT")], Lifetime::Secs(60)),
            (&[("expires", "Sun Nov  6 08:50:37 1994")], Lifetime::Secs(60)),
            (&[("expires", "0")], Lifetime::Secs(0)),
            (&[("expires", "soon")], Lifetime::Secs(0)),
            (&[("expires", "Sun, 06 Nov 1994 08:40:37 GMT")], Lifetime::Secs(0)),
            (&[("expires", "Sun, 06 Nov 1994 08:50:37 GMT"), ("expires", NOW)], Lifetime::Secs(0)),
            (
                &[
                    ("date", "Sun, 06 Nov 1994 08:50:27 GMT"),
                    ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"),
                ],
                Lifetime::Secs(10),
            ),
        ];
        for (lines, expected) in table {
            let headers = headers(lines);
            assert_eq!(Directives::of(&headers).lifetime(&headers, now), *expected, "{lines:?}");
        }
    }

    #[test]
    fn age_table() {
        let table = [("7", 7), ("7, 9", 7), (" 7 ", 7), ("x", 0), ("-1", 0), ("", 0)];
        for (line, expected) in table {
            assert_eq!(received_age(&headers(&[("age", line)])), expected, "{line:?}");
        }
        assert_eq!(received_age(&headers(&[("age", "3"), ("age", "9")])), 3);
        assert_eq!(received_age(&HeaderMap::new()), 0);
        assert_eq!(age_secs(5, 10_000, 12_999), 7);
        assert_eq!(age_secs(5, 10_000, 9_000), 5, "a clock that was set back");
    }

    #[test]
    fn vary_table() {
        let declared = [header::ACCEPT_ENCODING, header::ACCEPT];
        let table: &[(&[&str], bool)] = &[
            (&[], false),
            (&["Accept-Encoding"], false),
            (&["accept, ACCEPT-ENCODING"], false),
            (&["accept", "origin"], true),
            (&["*"], true),
            (&["accept, *"], true),
            (&[" , "], false),
        ];
        for (lines, expected) in table {
            let lines: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
            assert_eq!(varies_beyond(&headers(&lines), &declared), *expected, "{lines:?}");
        }
    }
}
