//! Parameters of paths, and whether a request has a route.

use std::borrow::Cow;

use http::{Uri, request::Parts};

use super::query::unescaped;

/// A path with parameters, such as `/users/{name}` or `/files/{*rest}`.
#[derive(Clone, Debug)]
pub(crate) struct PathPattern(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    One(String),
    Rest(String),
}

impl PathPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("path `{}`: {why}", text.escape_debug()));
        let Some(path) = text.strip_prefix('/') else { return wrong("it must begin with `/`") };
        let pieces: Vec<_> = path.split('/').map(Piece::parse).collect();
        if pieces.iter().any(Option::is_none) {
            return wrong("a parameter is a whole piece, such as `{id}` or, at the end, `{*rest}`");
        }
        let pieces: Vec<_> = pieces.into_iter().flatten().collect();
        let rests = pieces.iter().position(|piece| matches!(piece, Piece::Rest(_)));
        if rests.is_some_and(|at| at + 1 < pieces.len()) {
            return wrong("`{*rest}` must stand at the end");
        }
        Ok(Self(pieces))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::One(own) | Piece::Rest(own) if own == name))
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        self.walk(path, |_, _| {})
    }

    /// The value of a parameter, without escapes.
    pub(super) fn param<'p>(&self, path: &'p str, name: &str) -> Option<Cow<'p, str>> {
        let mut found = None;
        let fits = self.walk(path, |piece, own| {
            if piece.name() == Some(name) {
                found.get_or_insert(own);
            }
        });
        let raw = found.filter(|_| fits)?;
        if raw.bytes().any(|byte| byte == b'%') {
            return unescaped(raw, false).map(Cow::Owned);
        }
        Some(Cow::Borrowed(raw))
    }

    /// Shows each piece and what stands for it in the path, as far as that matches, and says whether it does.
    fn walk<'p>(&self, path: &'p str, mut show: impl FnMut(&Piece, &'p str)) -> bool {
        let mut rest = path.strip_prefix('/');
        for piece in &self.0 {
            let Some(text) = rest else { return false };
            let slash = text.bytes().position(|byte| byte == b'/');
            let end = match piece {
                Piece::Rest(_) => None,
                Piece::Literal(_) | Piece::One(_) => slash,
            };
            let own = &text[..end.unwrap_or(text.len())];
            if !piece.takes(own) {
                return false;
            }
            show(piece, own);
            rest = end.map(|end| &text[end + 1..]);
        }
        rest.is_none()
    }
}

impl Piece {
    fn parse(text: &str) -> Option<Self> {
        if !text.contains(['{', '}']) {
            return Some(Self::Literal(text.to_owned()));
        }
        let name = text.strip_prefix('{')?.strip_suffix('}')?;
        let (name, rest) = match name.strip_prefix('*') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let fine = !name.is_empty() && !name.contains(['{', '}', '*']);
        let piece = if rest { Self::Rest } else { Self::One };
        fine.then(|| piece(name.to_owned()))
    }

    fn takes(&self, own: &str) -> bool {
        match self {
            Self::Literal(text) => text == own,
            Self::One(_) | Self::Rest(_) => !own.is_empty(),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::One(name) | Self::Rest(name) => Some(name),
        }
    }
}

/// The URI as it came, where a router has taken its beginning away.
pub(crate) fn original_uri(parts: &Parts) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::OriginalUri(uri)) = parts.extensions.get() {
        return uri;
    }
    &parts.uri
}

/// Whether a router has found a route for this request.
pub(crate) fn is_matched(parts: &Parts) -> bool {
    #[cfg(feature = "axum")]
    if parts.extensions.get::<axum::extract::MatchedPath>().is_some() {
        return true;
    }
    let _ = parts;
    false
}

/// Whether a `POST` may be a call of gRPC's: its path is `/package.Service/Method`, and no route of HTTP has matched it.
pub(super) fn may_be_call(parts: &Parts) -> bool {
    let names = parts.uri.path().strip_prefix('/').and_then(|path| path.split_once('/'));
    let fine = |name: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        !name.is_empty() && name.bytes().all(known)
    };
    let is_service = |name: &str| name.contains('.') || name.starts_with(char::is_uppercase);
    let named =
        names.is_some_and(|(service, method)| fine(service) && fine(method) && is_service(service));
    #[cfg(feature = "axum")]
    if let Some(route) = parts.extensions.get::<axum::extract::MatchedPath>() {
        // As tonic has its services routed.
        return named && route.as_str().ends_with("/{*rest}");
    }
    named
}

/// The value of a parameter as the router decoded it.
pub(super) fn routed(parts: &mut Parts, name: &str) -> Option<String> {
    #[cfg(feature = "axum")]
    {
        use axum::extract::{FromRequestParts as _, RawPathParams};
        let params = crate::time::now(RawPathParams::from_request_parts(parts, &()))?.ok()?;
        let mut values = params.iter().filter(|(own, _)| *own == name);
        values.next().map(|(_, value)| value.to_owned())
    }
    #[cfg(not(feature = "axum"))]
    {
        let _ = (parts, name);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_at_its_slashes() {
        let pattern = PathPattern::parse("/users/{id}/files/{*rest}").unwrap();
        let param = |path: &str, name: &str| pattern.param(path, name).map(Cow::into_owned);
        assert_eq!(param("/users/a%2Fb/files/x/y", "id").unwrap(), "a/b");
        assert_eq!(param("/users/1+2/files/x/y", "id").unwrap(), "1+2");
        assert_eq!(param("/users/1/files/x/y", "rest").unwrap(), "x/y");
        assert_eq!(param("/users/%ff/files/x", "id"), None);
        for path in ["/users//files/x", "/users/1/files/", "/users/1/files", "/users/1/x/y", "/"] {
            assert!(!pattern.matches(path), "{path}");
        }
        let root = PathPattern::parse("/").unwrap();
        assert!(root.matches("/") && !root.matches("/a"));
        let one = PathPattern::parse("/a/{b}").unwrap();
        assert!(one.matches("/a/b") && !one.matches("/a/b/") && !one.matches("/a/b/c"));
    }

    #[test]
    fn a_pattern_that_is_wrong_is_told() {
        for wrong in ["", "users", "/a{b}", "/{}", "/{*a}/b", "/{a", "/{*}"] {
            assert!(PathPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
