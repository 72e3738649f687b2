//! Methods of requests.

use http::Method;

/// Whether a request by this method asks for no change: `GET`, `HEAD`, `OPTIONS`, `TRACE` and `QUERY`.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
        || method.as_str() == "QUERY"
}
