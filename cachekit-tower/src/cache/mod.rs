//! Keeps whole responses, of HTTP handlers and of unary gRPC calls.
//!
//! A response goes through the cache as a value does: one run for all who ask at once, in all processes, nothing older
//! than the last write, copies in process, refresh and old answers where they are wanted.
//!
//! Two things are told apart. The **group** is what writers name, by [`key`](CacheLayerBuilder::key): `user:<id>`.
//! Whoever invalidates that key, an `#[invalidates]` function say, drops all responses of the group. The **identity** is
//! everything that a response may depend on: host, path, query, the headers that were
//! [declared](CacheLayerBuilder::vary), who asks. It is complete by itself, and what is not in it is hidden from the
//! handler: forgetting something costs hits and leaks nothing.
//!
//! A request with credentials is passed by, unless the builder says by name how it may take part. What a response says of
//! itself is heeded: `Cache-Control`, `Expires`, `Vary`, `Set-Cookie` and others (RFC 9111).
//!
//! Groups are known from the request; [`key_with`](CacheLayerBuilder::key_with) makes them of whatever its head says. What
//! a handler learns while it reads, such as the organisation that a user belongs to, it says by
//! [`Scope::tag`](cachekit_core::Scope::tag). A write that came between the reading and the saying is not missed: the
//! first response of its identity in a process that names such a tag is its reader's alone, and from then on the tag is
//! known before the handler runs. Eight groups and tags at most.
//!
//! A request by an unsafe method is passed on, and the responses of its groups are dropped before it is answered, unless
//! it was refused (4xx). One whose group cannot be made, since a parameter is missing or there twice, drops none: what
//! has to be invalidated whatever the client sends belongs to [`InvalidateLayer`](crate::InvalidateLayer), which refuses
//! such requests.
//!
//! # Examples
//!
//! ```
//! use cachekit_core::Cache;
//! use cachekit_tower::CacheLayer;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt as _, Full};
//! use bytes::Bytes;
//! use tower::{Service as _, ServiceBuilder, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cachekit_tower::BoxError> {
//! let cache = Cache::builder().build()?;
//! let layer = CacheLayer::builder(&cache)
//!     .path("/users/{id}")
//!     .key("user:<id>")
//!     .ttl("30s±3s")
//!     .negative_ttl("5s")
//!     .build()?;
//! let mut service = ServiceBuilder::new().layer(layer).service_fn(async |_: Request<_>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from("Ada")))
//! });
//! for status in ["fwd=uri-miss; fwd-status=200; stored", "hit; ttl="] {
//!     let request = Request::get("/users/7").header("host", "example.com").body(Full::<Bytes>::default())?;
//!     let response = service.ready().await?.call(request).await?;
//!     assert!(response.headers()["cache-status"].to_str()?.contains(status));
//!     assert_eq!(response.into_body().collect().await?.to_bytes(), "Ada");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! With a word of the handler's own on how long its response is good, and variants by language:
//!
//! ```
//! use cachekit_core::Cache;
//! use cachekit_tower::CacheLayer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder().build()?;
//! let layer = CacheLayer::builder(&cache)
//!     .any_path()
//!     .ttl_from_response()
//!     .vary(["accept"])
//!     .languages(["en", "de"])
//!     .query_ignore(["utm_*"])
//!     .stale_if_error("1h")
//!     .build()?;
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```

mod builder;
mod cache_status;
mod call;
mod directives;
mod drive;
mod driven;
mod freshness;
mod future;
mod gates;
mod headers;
mod judge;
mod layer;
mod learned;
mod markers;
mod memory;
mod observe;
mod options;
mod read;
mod request;
mod respond;
pub(crate) mod rfc9111;
mod run;
mod service;
mod settings;
mod snapshot;
mod store;
mod vary;
mod write;

use cache_status::Forward;

pub use self::{
    builder::{CacheLayerBuilder, IntoTtl},
    directives::RequestDirectives,
    freshness::Freshness,
    future::ResponseFuture,
    layer::CacheLayer,
    service::CacheService,
    vary::Normalize,
};
