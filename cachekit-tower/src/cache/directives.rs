//! What a request may ask of the cache.

use std::{fmt, sync::Arc};

use http::request::Parts;

use super::rfc9111::{Directives, Seconds};

type Trusts = dyn Fn(&Parts) -> bool + Send + Sync;

/// Whether `Cache-Control` of requests counts. `only-if-cached` always does.
///
/// Directives of requests are advice (RFC 9111 §5.2.1): honoured from strangers they are a way to load the database.
#[derive(Clone, Default)]
pub enum RequestDirectives {
    /// They do not count.
    #[default]
    Ignore,
    /// `no-cache`, `max-age=0` and `no-store` do.
    Honor,
    /// They do where this says so: of requests from inside, say.
    HonorIf(Arc<Trusts>),
}

/// What one request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) only_if_cached: bool,
    /// Nothing that is stored already.
    pub(crate) anew: bool,
    /// To leave no trace.
    pub(crate) no_store: bool,
}

impl RequestDirectives {
    pub(crate) fn of(&self, parts: &Parts) -> Asked {
        let directives = Directives::of(&parts.headers);
        let honored = match self {
            Self::Ignore => false,
            Self::Honor => true,
            Self::HonorIf(trusts) => trusts(parts),
        };
        let zero = directives.max_age == Seconds::Said(0);
        Asked {
            only_if_cached: directives.only_if_cached,
            anew: honored && (directives.no_cache || zero),
            no_store: honored && directives.no_store,
        }
    }
}

impl fmt::Debug for RequestDirectives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignore => "Ignore",
            Self::Honor => "Honor",
            Self::HonorIf(_) => "HonorIf(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn directives_count_from_those_who_are_trusted() {
        let asked = |directives: &RequestDirectives, text: &str| {
            let request = Request::get("/").header("cache-control", text);
            directives.of(&request.body(()).unwrap().into_parts().0)
        };
        let none = Asked::default();
        let inside = RequestDirectives::HonorIf(Arc::new(|parts| parts.uri.path() == "/inside"));
        for text in ["no-cache", "no-store", "max-age=0"] {
            assert_eq!(asked(&RequestDirectives::Ignore, text), none);
            assert_eq!(asked(&inside, text), none);
        }
        let honor = RequestDirectives::Honor;
        assert!(asked(&honor, "No-Cache").anew && asked(&honor, "max-age=0").anew);
        assert!(asked(&honor, "no-store").no_store && !asked(&honor, "max-age=1").anew);
        assert!(asked(&RequestDirectives::Ignore, "only-if-cached").only_if_cached);
    }
}
