//! Binds a cache to everything that happens in a request.
//!
//! Cached and invalidating functions called by the handler use that cache, also while the body of
//! the response is produced. The request carries the [`Scope`] as an extension, for tasks that the
//! handler spawns: they inherit nothing, so they [`run`](Scope::run) in it.
//!
//! # Examples
//!
//! ```
//! use cachekit_core::Cache;
//! use cachekit_tower::ScopeLayer;
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use tower::{Service as _, ServiceBuilder, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder().build()?;
//! let mut service = ServiceBuilder::new()
//!     .layer(ScopeLayer::new(cache))
//!     .service_fn(async |_: Request<Empty<&[u8]>>| {
//!         // Cached functions use that cache here.
//!         Ok::<_, std::convert::Infallible>(Response::new(Empty::<&[u8]>::new()))
//!     });
//! service.ready().await?.call(Request::new(Empty::new())).await?;
//! # Ok(())
//! # }
//! ```
//!
//! For services whose requests are not HTTP:
//!
//! ```
//! use cachekit_core::Cache;
//! use cachekit_tower::ScopeLayer;
//! use tower::{Service as _, ServiceBuilder, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut service = ServiceBuilder::new()
//!     .layer(ScopeLayer::for_any_request(Cache::builder().build()?))
//!     .service_fn(async |id: u64| Ok::<_, std::convert::Infallible>(id + 1));
//! assert_eq!(service.ready().await?.call(1).await?, 2);
//! # Ok(())
//! # }
//! ```

mod body;
mod future;
mod layer;
mod service;

pub use self::{
    body::ScopeBody,
    future::{HttpResponseFuture, ResponseFuture},
    layer::{AnyRequest, Http, ScopeLayer},
    service::ScopeService,
};
#[doc(inline)]
pub use cachekit_core::Scope;
