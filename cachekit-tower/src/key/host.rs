//! The host that a request is for.

use std::borrow::Cow;

use http::{header, request::Parts, uri::Authority};

/// The authority in lower case, without the default port. A `Host` line that is not alone, or none at all: `None`. The
/// authority of the request's own URI wins.
pub(crate) fn host(parts: &Parts) -> Option<Cow<'_, str>> {
    let scheme = parts.uri.scheme_str().unwrap_or("http");
    if let Some(authority) = parts.uri.authority() {
        let as_it_is = plain(authority.as_str().as_bytes()).map(Cow::Borrowed);
        return Some(as_it_is.unwrap_or_else(|| normal(authority, scheme).into()));
    }
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    if let Some(as_it_is) = plain(line.as_bytes()) {
        return Some(as_it_is.into());
    }
    let authority = Authority::try_from(line.as_bytes()).ok()?;
    Some(normal(&authority, scheme).into())
}

/// A name in lower case without a port, as most are: nothing need be read of it.
fn plain(authority: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    if authority.is_empty() || !authority.iter().all(is_plain) {
        return None;
    }
    std::str::from_utf8(authority).ok()
}

fn normal(authority: &Authority, scheme: &str) -> String {
    let host = authority.host().to_ascii_lowercase();
    let default = if scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    match authority.port_u16() {
        Some(port) if port != default => format!("{host}:{port}"),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn of(uri: &str, lines: &[&str]) -> Option<String> {
        let mut request = Request::get(uri);
        for line in lines {
            request = request.header("host", *line);
        }
        host(&request.body(()).unwrap().into_parts().0).map(Cow::into_owned)
    }

    #[test]
    fn one_host_is_one_text() {
        assert_eq!(of("/", &["Example.COM"]).unwrap(), "example.com");
        assert_eq!(of("/", &["example.com:80"]).unwrap(), "example.com");
        assert_eq!(of("/", &["example.com:8080"]).unwrap(), "example.com:8080");
        assert_eq!(of("https://Example.com:443/", &[]).unwrap(), "example.com");
        assert_eq!(of("https://example.com:80/", &[]).unwrap(), "example.com:80");
        assert_eq!(of("http://[::1]:80/", &[]).unwrap(), "[::1]");
    }

    #[test]
    fn the_authority_wins_and_two_lines_are_none() {
        assert_eq!(of("http://a.com/", &["b.com"]).unwrap(), "a.com");
        for lines in [&[][..], &["a.com", "a.com"], &["a b"], &[""]] {
            assert_eq!(of("/", lines), None, "{lines:?}");
        }
    }
}
