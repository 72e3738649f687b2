//! Identical concurrent requests run the handler once. Nothing is stored.
//!
//! A request joins others of the same *identity*: method, host, path, query, declared headers, principal; for gRPC the
//! method and the message. Who may join a run that has begun is the one thing to choose:
//!
//! | | joins a run that has begun | promise | 500 requests at once |
//! |---|---|---|---|
//! | [`SingleflightLayer::new`] | nobody: those who come meanwhile share the next one | the answer was made after the request came: whatever was written before it came is in it | at most 2 runs |
//! | [`SingleflightLayer::fenced`] | anybody, if no key of the request was invalidated meanwhile | the same, for keys whose writers invalidate them | 1 run |
//! | [`SingleflightLayer::running`] | anybody | **none**, see there | 1 run |
//!
//! A run belongs to its flight: clients that go away harm nobody, and the last one to go ends it. Its handler sees a
//! request without those headers that are not part of the identity. Requests with credentials take no part unless the
//! builder says by name how; responses with `Set-Cookie`, `Cache-Control: private` or `no-store`, an undeclared `Vary`,
//! a CORS origin or a CSP nonce are for the client alone whose request made them. Whose [session](crate::SplitLayer) wrote
//! a key of the request, or is ahead of replicas still, takes no part either. What takes no part is passed on untouched.
//!
//! # Examples
//!
//! The default needs no cache, and no knowledge of writers:
//!
//! ```
//! use cachekit_tower::SingleflightLayer;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use bytes::Bytes;
//! use tower::{Service as _, ServiceBuilder, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = SingleflightLayer::new().path("/reports/{id}").key("report:<id>").build()?;
//! let mut service = ServiceBuilder::new().layer(layer).service_fn(
//!     async |_: Request<cachekit_tower::Body<Full<Bytes>>>| {
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from("a report"))))
//!     },
//! );
//! let request = Request::get("http://localhost/reports/7").body(Full::<Bytes>::default())?;
//! service.ready().await?.call(request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! With a cache that writers invalidate through, and an answer for each language:
//!
//! ```
//! use cachekit_core::Cache;
//! use cachekit_tower::SingleflightLayer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder().build()?;
//! let layer = SingleflightLayer::fenced(&cache)
//!     .path("/users/{id}")
//!     .key("user:<id>")
//!     .vary(["accept-language"])
//!     .query_ignore(["utm_*"])
//!     .wait_timeout("2s")
//!     .build()?;
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```

mod admit;
mod any;
mod builder;
mod caller;
mod config;
mod future;
mod layer;
mod led;
mod read;
mod run;
mod service;
mod snapshot;

pub use self::{
    any::{OfFuture, OfLayer, OfService, of},
    builder::SingleflightBuilder,
    future::ResponseFuture,
    layer::SingleflightLayer,
    service::SingleflightService,
};
