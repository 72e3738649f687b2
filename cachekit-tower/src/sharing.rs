//! Whether a response may be given to others than the one whose request made it.

use http::{HeaderMap, HeaderName, header};

use crate::{cache::rfc9111::Directives, headers::has_any};

/// The lines that may say so: a response without them may be shared.
const SAYING: [HeaderName; 8] = [
    header::SET_COOKIE,
    HeaderName::from_static("set-cookie2"),
    header::CACHE_CONTROL,
    header::PRAGMA,
    header::VARY,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::CONTENT_SECURITY_POLICY,
    header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
];

/// What a response may not be shared for, in one word for `Cache-Status`. `keyed`: the headers that requests of one
/// identity have alike.
pub(crate) fn refusal(
    headers: &HeaderMap,
    keyed: impl Fn(&HeaderName) -> bool,
) -> Option<&'static str> {
    if !has_any(headers, &SAYING) {
        return None;
    }
    let rules: [(&'static str, bool); 5] = [
        ("set-cookie", sets_cookie(headers)),
        ("private", forbids(headers)),
        ("vary", varies_beyond(headers, &keyed)),
        ("cors", reflects_origin(headers, &keyed)),
        ("csp-nonce", has_nonce(headers)),
    ];
    rules.iter().find(|(_, refused)| *refused).map(|(reason, _)| *reason)
}

fn sets_cookie(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SET_COOKIE) || headers.contains_key("set-cookie2")
}

/// What cannot be read is taken for the worst.
fn forbids(headers: &HeaderMap) -> bool {
    let directives = Directives::of(headers);
    directives.private || directives.no_store || directives.broken
}

fn varies_beyond(headers: &HeaderMap, keyed: impl Fn(&HeaderName) -> bool) -> bool {
    headers.get_all(header::VARY).iter().any(|line| {
        let mut names = line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        names.any(|name| {
            !name.is_empty() && !HeaderName::from_bytes(name).is_ok_and(|name| keyed(&name))
        })
    })
}

fn reflects_origin(headers: &HeaderMap, keyed: impl Fn(&HeaderName) -> bool) -> bool {
    let mut lines = headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter();
    !keyed(&header::ORIGIN) && lines.any(|line| line.as_bytes().trim_ascii() != b"*")
}

fn has_nonce(headers: &HeaderMap) -> bool {
    let names = [header::CONTENT_SECURITY_POLICY, header::CONTENT_SECURITY_POLICY_REPORT_ONLY];
    let mut lines = names.iter().flat_map(|name| headers.get_all(name));
    lines.any(|line| line.as_bytes().windows(7).any(|part| part.eq_ignore_ascii_case(b"'nonce-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(lines: &[(&str, &str)]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        refusal(&headers, |name| *name == header::ACCEPT)
    }

    #[test]
    fn set_cookie_never_shared() {
        assert_eq!(refused(&[("set-cookie", "a=b")]), Some("set-cookie"));
        assert_eq!(
            refused(&[("set-cookie2", "a=b"), ("cache-control", "public")]),
            Some("set-cookie")
        );
    }

    #[test]
    fn private_is_private_however_it_is_written() {
        for line in
            ["private", "no-store", "max-age=1, PRIVATE", "Private=\"set-cookie\"", "a,no-Store "]
        {
            assert_eq!(refused(&[("cache-control", line)]), Some("private"), "{line}");
        }
        assert_eq!(
            refused(&[("cache-control", "public"), ("cache-control", "no-store")]),
            Some("private")
        );
        assert_eq!(refused(&[("cache-control", "x=\"no end")]), Some("private"));
        for line in ["public", "no-cache", "x-private=1", "max-age=0", "x=\"a, private\""] {
            assert_eq!(refused(&[("cache-control", line)]), None, "{line}");
        }
    }

    #[test]
    fn undeclared_vary_is_not_shared() {
        assert_eq!(refused(&[("vary", "Accept")]), None);
        for line in ["*", "accept, origin", "accept-encoding", "?"] {
            assert_eq!(refused(&[("vary", line)]), Some("vary"), "{line}");
        }
        assert_eq!(refused(&[("vary", "accept"), ("vary", "cookie")]), Some("vary"));
    }

    #[test]
    fn cors_reflection_refused() {
        assert_eq!(refused(&[("access-control-allow-origin", "*")]), None);
        assert_eq!(refused(&[("access-control-allow-origin", "https://a.com")]), Some("cors"));
        assert_eq!(refused(&[("access-control-allow-origin", "null")]), Some("cors"));
    }

    #[test]
    fn csp_nonce_refused() {
        let policy = "script-src 'Nonce-abc'";
        assert_eq!(refused(&[("content-security-policy", policy)]), Some("csp-nonce"));
        assert_eq!(refused(&[("content-security-policy-report-only", policy)]), Some("csp-nonce"));
        assert_eq!(refused(&[("content-security-policy", "script-src 'self'")]), None);
    }
}
