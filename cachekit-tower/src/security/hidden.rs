//! What a run that is shared sees of its request.

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, header,
    request::Parts,
    uri::{self, PathAndQuery},
};

use super::Credentials;
use crate::{
    Kind,
    identity::{IdentityWriter, Part},
    key::{Rule, original_uri},
};

/// Which headers and parameters a run sees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// What responses may depend on.
    pub(crate) declared: Vec<HeaderName>,
    /// Shown although they are in no identity.
    pub(crate) kept: Vec<HeaderName>,
    pub(crate) all: bool,
    pub(crate) query: Rule,
}

/// In no identity, and harmless: tracing's, and what a connection needs.
const ALWAYS: [HeaderName; 3] =
    [HeaderName::from_static("traceparent"), HeaderName::from_static("tracestate"), header::TE];

/// What describes a body that is in the identity.
pub(crate) const OF_BODY: [HeaderName; 3] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];

/// What a gRPC call has in its identity.
pub(crate) const OF_CALL: [HeaderName; 2] =
    [HeaderName::from_static("grpc-encoding"), HeaderName::from_static("grpc-accept-encoding")];

impl Shown {
    /// Writes the declared headers, and makes each of them the one line that the identity has.
    pub(crate) fn write(&self, headers: &HeaderMap, identity: &mut IdentityWriter) {
        for name in &self.declared {
            if let Some(value) = joined(headers, name) {
                identity.part(Part::HeaderName, name.as_str());
                identity.part(Part::HeaderValue, value.as_bytes());
            }
        }
    }

    /// Writes the URI that the handler sees, where that is not the one that came: a router has taken its beginning away,
    /// or a middleware has written another.
    pub(crate) fn write_rewritten(&self, parts: &Parts, identity: &mut IdentityWriter) {
        if parts.uri.path_and_query() == original_uri(parts).path_and_query() {
            return;
        }
        let mut seen = parts.uri.clone();
        self.make_plain(&mut seen);
        identity.part(Part::Rewritten, seen.path_and_query().map_or("", PathAndQuery::as_str));
    }

    /// Takes away what the identity does not have. `host`: as the identity has it, where the request may have another
    /// one; `body`: it is in the identity.
    pub(crate) fn hide(
        &self,
        parts: &mut Parts,
        credentials: &Credentials,
        kind: Kind,
        host: Option<&str>,
        body: bool,
    ) {
        if !self.all {
            self.hide_headers(&mut parts.headers, credentials, kind, body);
        } else if !credentials.are_shown() {
            // Credentials are not unkeyed by an oversight.
            let names: Vec<_> = parts.headers.keys().cloned().collect();
            let is_hidden = |name: &HeaderName| credentials.is_one(name) && *name != header::HOST;
            for name in names.into_iter().filter(is_hidden) {
                parts.headers.remove(name);
            }
        }
        for name in &self.declared {
            if let Some(value) = joined(&parts.headers, name) {
                parts.headers.insert(name.clone(), value);
            }
        }
        if let Some(host) = host.filter(|host| !has_host(&parts.headers, host))
            && let Ok(host) = HeaderValue::from_str(host)
        {
            parts.headers.insert(header::HOST, host);
        }
        credentials.strip(&mut parts.extensions);
        self.make_plain(&mut parts.uri);
        #[cfg(feature = "axum")]
        if let Some(axum::extract::OriginalUri(uri)) = parts.extensions.get_mut() {
            self.make_plain(uri);
        }
    }

    fn hide_headers(
        &self,
        headers: &mut HeaderMap,
        credentials: &Credentials,
        kind: Kind,
        body: bool,
    ) {
        let shown = |name: &HeaderName| {
            (kind == Kind::Grpc && OF_CALL.contains(name))
                || (body && OF_BODY.contains(name))
                // It is given the value that the identity has.
                || *name == header::HOST
                || ALWAYS.contains(name)
                || self.declared.contains(name)
                || self.kept.contains(name)
                || (credentials.are_shown() && credentials.is_one(name))
        };
        while let Some(hidden) = headers.keys().find(|name| !shown(name)).cloned() {
            headers.remove(hidden);
        }
    }

    /// Leaves the path and the query that the identity has; the authority is in the `Host`.
    fn make_plain(&self, uri: &mut Uri) {
        if let Some(kept) = self.query.rewritten(uri) {
            *uri = kept;
        }
        if uri.scheme().is_none() && uri.authority().is_none() && uri.path_and_query().is_some() {
            return;
        }
        let mut parts = uri::Parts::default();
        let root = || PathAndQuery::from_static("/");
        parts.path_and_query = Some(uri.path_and_query().cloned().unwrap_or_else(root));
        if let Ok(plain) = Uri::from_parts(parts) {
            *uri = plain;
        }
    }
}

/// Whether this is the one `Host`.
pub(crate) fn has_host(headers: &HeaderMap, host: &str) -> bool {
    let mut lines = headers.get_all(header::HOST).iter();
    lines.next().is_some_and(|line| line == host) && lines.next().is_none()
}

/// The lines of a header as one, without the space around them.
pub(crate) fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let mut all = first.as_bytes().trim_ascii().to_vec();
    for line in lines {
        all.extend_from_slice(b", ");
        all.extend_from_slice(line.as_bytes().trim_ascii());
    }
    HeaderValue::from_bytes(&all).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::{Principal, security::Sharing};

    fn request(lines: &[(&str, &str)]) -> Parts {
        let request = Request::get("http://H.com:80/p?utm_a=1&b=2");
        let request = lines.iter().fold(request, |r, (name, value)| r.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn seen(shown: &Shown, sharing: Sharing, lines: &[(&str, &str)]) -> Vec<String> {
        let credentials = Credentials { sharing, ..Credentials::default() };
        let mut parts = request(lines);
        parts.extensions.insert(Principal::new("a"));
        shown.hide(&mut parts, &credentials, Kind::Http, Some("h.com"), false);
        let mut seen: Vec<_> = parts.headers.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        seen.sort();
        seen.push(parts.uri.to_string());
        seen
    }

    const LINES: &[(&str, &str)] = &[
        ("host", "other.com"),
        ("cookie", "c"),
        ("x-forwarded-host", "evil"),
        ("x-http-method-override", "DELETE"),
        ("accept", " a "),
        ("accept", "b"),
        ("traceparent", "t"),
        ("content-type", "x"),
    ];

    #[test]
    fn unkeyed_headers_hidden() {
        let bare = Shown::default();
        let expected = [r#"host="h.com""#, r#"traceparent="t""#, "/p?utm_a=1&b=2"];
        assert_eq!(seen(&bare, Sharing::Bypass, LINES), expected);
        assert_eq!(seen(&bare, Sharing::AcrossUsers, LINES), expected);

        let declared = Shown { declared: vec![header::ACCEPT], ..Shown::default() };
        assert_eq!(seen(&declared, Sharing::Bypass, LINES)[0], r#"accept="a, b""#);
        let with_cookie = seen(&bare, Sharing::PerCredential, LINES);
        assert_eq!(with_cookie[0], r#"cookie="c""#);

        let all = Shown { all: true, ..Shown::default() };
        let all = seen(&all, Sharing::AcrossUsers, LINES);
        assert!(all.contains(&r#"x-forwarded-host="evil""#.to_owned()));
        assert!(!all.iter().any(|line| line.starts_with("cookie")));
    }

    #[test]
    fn unkeyed_query_hidden() {
        let query = Rule::Ignore(vec!["utm_*".into()]);
        let shown = Shown { query, ..Shown::default() };
        assert_eq!(seen(&shown, Sharing::Bypass, &[]).pop().unwrap(), "/p?b=2");
    }
}
