//! The keys of a layer.

use std::{error, fmt, sync::Arc};

use cachekit_core::Key;
use http::{HeaderName, Method, request::Parts};

use super::{PathPattern, is_matched, original_uri, path::may_be_call, template::Template};
use crate::{Kind, builder::Mistakes};

/// How many keys a request may have.
const MOST: usize = 8;

/// A piece of a request that its key names is missing, or is there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyMissing;

impl fmt::Display for KeyMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a piece of the key is missing in the request, or is there twice")
    }
}

impl error::Error for KeyMissing {}

/// A key that the user's own code makes.
pub(crate) type KeyFn = dyn Fn(&Parts) -> Result<Key, KeyMissing> + Send + Sync;

/// Where the keys of a layer's requests come from, and which requests have a route.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    makers: Vec<Maker>,
    pattern: Option<PathPattern>,
    any_path: bool,
}

#[derive(Clone)]
enum Maker {
    Template(Template),
    With(Arc<KeyFn>),
}

impl Keys {
    pub(crate) fn template(&mut self, template: &str, mistakes: &mut Mistakes) {
        if let Some(template) = mistakes.check(Template::parse(template)) {
            self.makers.push(Maker::Template(template));
        }
    }

    pub(crate) fn with(&mut self, make: Arc<KeyFn>) {
        self.makers.push(Maker::With(make));
    }

    pub(crate) fn path(&mut self, pattern: &str, mistakes: &mut Mistakes) {
        self.pattern = mistakes.check(PathPattern::parse(pattern));
    }

    pub(crate) fn any_path(&mut self) {
        self.any_path = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.makers.is_empty()
    }

    /// Looks at what only all settings together show.
    pub(crate) fn check(&self, mistakes: &mut Mistakes) {
        if self.makers.len() > MOST {
            mistakes.add(format!("a request has at most {MOST} keys"));
        }
        for name in self.templates().flat_map(Template::params) {
            match &self.pattern {
                Some(pattern) if !pattern.has(name) => {
                    mistakes.add(format!("`<{name}>` of a key is no parameter of the path"));
                }
                None if cfg!(not(feature = "axum")) => mistakes.add(format!(
                    "`<{name}>` of a key needs `.path(\"/../{{{name}}}\")`, or the feature `axum`"
                )),
                _ => {}
            }
        }
    }

    /// The headers that keys name: what they hold is part of what a response depends on.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.templates().flat_map(Template::headers)
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        self.makers.iter().filter_map(|maker| match maker {
            Maker::Template(template) => Some(template),
            Maker::With(_) => None,
        })
    }

    /// How many placeholders the last template has, if there is one.
    pub(crate) fn placeholders(&self) -> Option<usize> {
        self.templates().last().map(Template::placeholders)
    }

    /// The text of the only placeholder there is.
    pub(crate) fn only_text(&self, parts: &mut Parts) -> Option<String> {
        self.templates().last()?.first(parts, self.pattern.as_ref())
    }

    /// Whether the request has a route: those of random paths have none.
    pub(crate) fn is_routed(&self, parts: &Parts) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.matches(original_uri(parts).path()),
            None => self.any_path || is_matched(parts),
        }
    }

    /// The protocol of a request. The client's word alone is not enough: a handler of HTTP may take a body whatever type
    /// it is said to be of. `is_listed`: a call with this path is.
    pub(crate) fn kind(&self, parts: &Parts, is_listed: bool) -> Kind {
        let of_http = || {
            let pattern = self.pattern.as_ref();
            pattern.is_some_and(|pattern| pattern.matches(original_uri(parts).path()))
                || !may_be_call(parts)
        };
        match Kind::of(&parts.headers) {
            Kind::Grpc if parts.method != Method::POST => Kind::Http,
            Kind::Grpc if !is_listed && of_http() => Kind::Http,
            kind => kind,
        }
    }

    /// The keys that can be made of a request, and whether that is all of them; its parts are the same afterwards.
    pub(crate) fn found(&self, parts: &mut Parts) -> (Vec<Key>, bool) {
        let made: Vec<_> =
            self.makers.iter().filter_map(|maker| self.make(maker, parts).ok()).collect();
        let all = made.len() == self.makers.len();
        (made, all)
    }

    fn make(&self, maker: &Maker, parts: &mut Parts) -> Result<Key, KeyMissing> {
        match maker {
            Maker::Template(template) => template.expand(parts, self.pattern.as_ref()),
            Maker::With(make) => make(parts),
        }
    }

    /// The keys of a request; its parts are the same afterwards.
    ///
    /// # Errors
    ///
    /// [`KeyMissing`] for the first one that cannot be made.
    pub(crate) fn of(&self, parts: &mut Parts) -> Result<Vec<Key>, KeyMissing> {
        // Collected into a `Result` they would be given room for four.
        let mut keys = Vec::with_capacity(self.makers.len());
        for maker in &self.makers {
            keys.push(self.make(maker, parts)?);
        }
        Ok(keys)
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template(template) => template.fmt(f),
            Self::With(_) => f.write_str("With(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn keys(templates: &[&str], path: &str) -> Keys {
        let (mut keys, mut mistakes) = (Keys::default(), Mistakes::default());
        templates.iter().for_each(|template| keys.template(template, &mut mistakes));
        keys.path(path, &mut mistakes);
        keys.check(&mut mistakes);
        mistakes.finish("keys").unwrap();
        keys
    }

    fn mistake(templates: &[&str], path: Option<&str>) -> String {
        let (mut keys, mut mistakes) = (Keys::default(), Mistakes::default());
        templates.iter().for_each(|template| keys.template(template, &mut mistakes));
        if let Some(path) = path {
            keys.path(path, &mut mistakes);
        }
        keys.check(&mut mistakes);
        mistakes.finish("keys").unwrap_err().to_string()
    }

    fn parts(uri: &str) -> Parts {
        let request = Request::get(uri).header("host", "H.com:80").header("x-tenant", " t:1 ");
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_key_is_made_of_path_query_header_and_host() {
        let keys = keys(&["k:<id>:<query.q>:<header.x_tenant>:<host>", "all"], "/users/{id}");
        let made = keys.of(&mut parts("/users/a%3Ab?q=1")).unwrap();
        assert_eq!(made[0].as_str(), "k:a%3Ab:1:t%3A1:h.com");
        assert_eq!(made[1].as_str(), "all");
        assert_eq!(keys.headers().collect::<Vec<_>>(), ["x-tenant"]);
        assert!(keys.is_routed(&parts("/users/1")) && !keys.is_routed(&parts("/other/1")));
    }

    #[test]
    fn what_is_missing_or_there_twice_makes_no_key() {
        let keys = keys(&["k:<id>:<query.q>"], "/users/{id}");
        for uri in ["/users/1", "/users/1?q=1&q=2", "/other?q=1", "/users/1?q=%ff"] {
            assert_eq!(keys.of(&mut parts(uri)), Err(KeyMissing), "{uri}");
        }
    }

    #[test]
    fn closures_make_keys_of_whatever_they_like() {
        let mut keys = Keys::default();
        keys.with(Arc::new(|parts| match parts.uri.path() {
            "/none" => Err(KeyMissing),
            _ => Ok(cachekit_core::key::RuntimeTemplate::parse("one")
                .unwrap()
                .expand(|_, _| Ok::<_, KeyMissing>(()))?),
        }));
        assert_eq!(keys.of(&mut parts("/")).unwrap().len(), 1);
        assert_eq!(keys.of(&mut parts("/none")), Err(KeyMissing));
        assert!(!keys.is_routed(&parts("/")));
        keys.any_path();
        assert!(keys.is_routed(&parts("/")));
    }

    #[test]
    fn mistakes_in_templates_are_told_with_what_to_write() {
        assert!(mistake(&["<id>"], None).contains("literal"));
        assert!(mistake(&["a:<user.id>"], None).contains("`<user.id>` is none of"));
        assert!(mistake(&["a:<T::X>"], None).contains("`<T::X>` is none of"));
        assert!(mistake(&["a:<id>"], Some("/users/{name}")).contains("no parameter of the path"));
        assert!(mistake(&["a"; 9], None).contains("at most 8"));
        #[cfg(not(feature = "axum"))]
        assert!(mistake(&["a:<id>"], None).contains("needs `.path("));
    }
}
