//! Invalidation for writers without attributes.
//!
//! A request that may have written invalidates its keys before its answer goes out, so that whoever has the answer reads
//! what was written. It is best effort: if the process dies between the commit and the invalidation, nothing tells of
//! it. What must not be lost belongs into a [transaction](cachekit_core#read) that records its invalidations.
//!
//! | how an unsafe method, or a listed gRPC method, ended | its keys are invalidated |
//! |---|---|
//! | 2xx, 3xx; gRPC `OK` | before the response, or the trailers, go out |
//! | 5xx, an error, a panic, a time-out, a client that has gone; gRPC `UNKNOWN`, `INTERNAL`, `UNAVAILABLE`, `DEADLINE_EXCEEDED`, `ABORTED`, `CANCELLED`, `DATA_LOSS`, or no status | yes: it may have written, and to invalidate is always safe |
//! | 4xx, other gRPC codes | no |
//!
//! Keys come from templates over the request, from [the response's head](InvalidateBuilder::key_from_response), and from
//! the handler, which finds [`Invalidations`] among the request's extensions. A key that a function inside has
//! invalidated already is invalidated again, for a later write may have followed.
//!
//! A write whose keys cannot be made of its request is refused, with 400 or `INVALID_ARGUMENT`, before the handler is
//! called: a parameter is missing or there twice, a gRPC message is compressed or longer than 64 KiB. Else whoever sends
//! requests could write past the cache. [`on_key_missing`](InvalidateBuilder::on_key_missing) lets such requests run.
//!
//! A response whose body is streamed may still write: its keys are invalidated before the head goes out and again before
//! the last frame does. Of a gRPC response they are before the trailers, where the status is; inside a
//! [`ScopeLayer`](crate::ScopeLayer) or a [`SplitLayer`](crate::SplitLayer) before the head too, for the session's token
//! goes out with it.
//!
//! It stands inside [`LockLayer`](crate::LockLayer), so that the next holder finds nothing old.
//!
//! # Examples
//!
//! ```
//! use cachekit_core::Cache;
//! use cachekit_tower::InvalidateLayer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder().build()?;
//! let rename = InvalidateLayer::builder(&cache).path("/users/{id}").key("user:<id>").build()?;
//! // Router::new().route("/users/{id}", put(rename_user).layer(rename))
//! # let _ = rename;
//! # Ok(())
//! # }
//! ```
//!
//! With keys that only the answer knows, and readers that may see a replica:
//!
//! ```
//! use cachekit::key;
//! use cachekit_core::Cache;
//! use cachekit_tower::{Disconnect, InvalidateLayer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder().build()?;
//! let create = InvalidateLayer::builder(&cache)
//!     .key("users")
//!     .key_from_response(|head| {
//!         let id = head.headers.get("x-user-id")?.to_str().ok()?;
//!         Some(key!("user:<id>"))
//!     })
//!     .again_after("500ms")
//!     .report(true)
//!     .on_disconnect(Disconnect::Finish)
//!     .build()?;
//! # let _ = create;
//! # Ok(())
//! # }
//! ```

mod builder;
mod layer;
mod service;

pub use self::{
    builder::{InvalidateBuilder, OnKeyMissing},
    layer::InvalidateLayer,
    service::InvalidateService,
};
pub use crate::{guarded::ResponseFuture, writes::Invalidations};
