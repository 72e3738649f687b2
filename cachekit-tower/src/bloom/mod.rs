//! Ids that were never issued end here.
//!
//! A request for an id that a [filter](cachekit_core::bloom::Bloom) knows not to exist is answered 404, or `NOT_FOUND`,
//! before any cache or handler. Every doubt lets it pass: a filter that is [not live](cachekit_core::bloom), a request
//! without an id, an id that is none of the filter's type. What passes is not changed, and neither is its response.
//!
//! It is asked for `GET` and `HEAD`, and for listed gRPC methods. Ids are parsed into the filter's type, so that
//! `/users/007` asks for 7, as the handler would.
//!
//! What a filter lets pass that the handler does not find, by 404 or `NOT_FOUND`, is [counted](BloomLayer::found_absent):
//! it is about the share that the filter was built for.
//!
//! # Examples
//!
//! ```
//! use cachekit_core::{Cache, bloom::Bloom};
//! use cachekit_tower::BloomLayer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder().build()?;
//! let users: Bloom<i64> = Bloom::builder("users").expected(1_000_000).build(&cache)?;
//! let known = BloomLayer::builder(&users).path("/users/{id}").key("user:<id>").build()?;
//! # let _ = known;
//! # Ok(())
//! # }
//! ```
//!
//! An id of two parts, and another answer:
//!
//! ```
//! use cachekit_core::{Cache, bloom::Bloom};
//! use cachekit_tower::BloomLayer;
//! use http::Response;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let cache = Cache::builder().build()?;
//! let files: Bloom<(i64, String)> = Bloom::builder("files").expected(1_000_000).build(&cache)?;
//! let known = BloomLayer::builder(&files)
//!     .id_with(|head| {
//!         let (folder, name) = head.uri.path().strip_prefix("/files/")?.split_once('/')?;
//!         Some((folder.parse().ok()?, name.to_owned()))
//!     })
//!     .on_reject(|_, _| Response::builder().status(410).body("gone".into()).expect("it is one"))
//!     .build()?;
//! # let _ = known;
//! # Ok(())
//! # }
//! ```

mod builder;
mod future;
mod layer;
mod question;
mod service;

pub use self::{
    builder::BloomLayerBuilder, future::ResponseFuture, layer::BloomLayer, service::BloomService,
};
