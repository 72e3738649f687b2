//! Which lines of a response outlive the connection that they came over.

use http::{HeaderMap, HeaderName, header};

/// What concerns one connection (RFC 9110 §7.6.1).
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What is said of one exchange: the next one has its own.
static OF_ONE_EXCHANGE: [HeaderName; 3] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("server-timing"),
];

/// What is told anew with each answer.
static TOLD_ANEW: [HeaderName; 2] = [header::AGE, header::CONTENT_LENGTH];

static COOKIES: [HeaderName; 2] = [header::SET_COOKIE, HeaderName::from_static("set-cookie2")];

/// Whether a line of this name may be in an entry at all.
pub(crate) fn may_be_stored(name: &HeaderName) -> bool {
    let never = HOP_BY_HOP.iter().chain(&OF_ONE_EXCHANGE).chain(&TOLD_ANEW).chain(&COOKIES);
    !never.into_iter().any(|other| other == name)
}

/// Takes out of `headers` what concerns the connection alone.
pub(crate) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&listed) {
        headers.remove(name);
    }
}

/// Takes out of `headers` what is not stored, and gives those lines that are its first reader's all the same.
pub(crate) fn take_unstored(headers: &mut HeaderMap, dropped: &[HeaderName]) -> HeaderMap {
    let mut own = HeaderMap::new();
    for name in OF_ONE_EXCHANGE.iter().chain(dropped) {
        if let http::header::Entry::Occupied(entry) = headers.entry(name) {
            let (name, values) = entry.remove_entry_mult();
            values.for_each(|value| {
                own.append(name.clone(), value);
            });
        }
    }
    for name in &TOLD_ANEW {
        headers.remove(name);
    }
    own
}

/// Whether a response sets a cookie.
pub(crate) fn sets_cookie(headers: &HeaderMap) -> bool {
    COOKIES.iter().any(|name| headers.contains_key(name))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_connection_lists_goes_with_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-hop"),
            ("connection", "bad name, keep-alive"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("x-end", "2"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        drop_hop_by_hop(&mut headers);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["x-end"], "2");
    }

    #[test]
    fn lines_of_one_exchange_are_its_own() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("x-request-id", "1"), ("age", "5"), ("x-drop", "a"), ("x-drop", "b"), ("x-end", "2")]
        {
            headers.append(name, HeaderValue::from_static(value));
        }
        let own = take_unstored(&mut headers, &[HeaderName::from_static("x-drop")]);
        assert_eq!(headers.len(), 1);
        assert_eq!(own.get_all("x-drop").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(own["x-request-id"], "1");
        assert!(!own.contains_key("age"));
    }
}
