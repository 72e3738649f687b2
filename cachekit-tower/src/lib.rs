//! Tower layers that bring cachekit to axum and tonic.
//!
//! | layer | what it guarantees |
//! |---|---|
//! | [`ScopeLayer`] | Cached and invalidating functions use this cache for as long as the request lasts, to the end of its body. |
//! | [`SplitLayer`] | A client sees its own writes in every process; reads go to replicas only where that keeps to it. |
//! | [`BloomLayer`] | Ids that were never issued are answered without a look-up; one that was is never said to be absent. |
//! | [`CacheLayer`] | A response is never older than the last write that had returned when the request came; one run for all who ask at once, in all processes; nobody is given what another's credentials brought. |
//! | [`SingleflightLayer`] | The same without keeping anything: identical concurrent requests run the handler once. |
//! | [`LockLayer`] | One handler at a time for a key, in all processes, with a number for the database to refuse who is late. |
//! | [`InvalidateLayer`] | What a request may have written is invalidated before its answer goes out, however the handler ended. |
//!
//! Each layer serves HTTP and gRPC, on one port if need be, and tells them apart by the request's `content-type`. Layers
//! add nothing to a service's errors: contention and refusal are [responses](Rejection). They call the service that was
//! readied and no clone of it, spawn no task on the straight path, and want no `Response: Clone`. Two services of one
//! layer share its state.
//!
//! # One full stack
//!
//! From the outside: request id and trace, catch panic, compression and CORS, timeout, rate limit, **`Scope`**,
//! **`Split`**, authentication, **`Bloom`**, **`Cache`** *or* **`Singleflight`**, **`Lock`**, **`Invalidate`**, load
//! shed, concurrency limit, circuit breaker, handler. What others do well is theirs: everything in the example that is
//! not of this crate is of tower and tower-http.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{BoxError, Router, error_handling::HandleErrorLayer, extract::Path, routing::get};
//! use cachekit_core::{Cache, bloom::Bloom};
//! use cachekit_tower::{
//!     BloomLayer, CacheLayer, InvalidateLayer, LockLayer, ScopeLayer, SplitLayer,
//! };
//! use http::StatusCode;
//! use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer, timeout::TimeoutLayer};
//! use tower_http::compression::CompressionLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use axum::{body::Body, http::Request};
//! # use tower::ServiceExt as _;
//! # let secret = [7; 32];
//! let cache = Cache::builder().build()?;
//! let known: Bloom<i64> = Bloom::builder("users").expected(1_000_000).build(&cache)?;
//!
//! let (path, key) = ("/users/{id}", "user:<id>");
//! let stack = ServiceBuilder::new()
//!     // Outside the cache, which keeps one plain answer.
//!     .layer(CompressionLayer::new())
//!     // An error of tower's becomes an answer here. Ours add none.
//!     .layer(HandleErrorLayer::new(async |_: BoxError| StatusCode::SERVICE_UNAVAILABLE))
//!     .layer(TimeoutLayer::new(Duration::from_secs(10)))
//!     .layer(ScopeLayer::new(cache.clone()))
//!     .layer(SplitLayer::builder(&cache).secret(secret).build()?)
//!     // Authentication stands here.
//!     .layer(BloomLayer::builder(&known).path(path).key(key).build()?)
//!     .layer(CacheLayer::builder(&cache).path(path).key(key).ttl("30s±3s").build()?)
//!     .layer(LockLayer::builder(&cache).path(path).key("user-lock:<id>").build()?)
//!     .layer(InvalidateLayer::builder(&cache).path(path).key(key).build()?)
//!     // What is answered further out waits for no permit.
//!     .layer(LoadShedLayer::new())
//!     .layer(ConcurrencyLimitLayer::new(64));
//!
//! let show = async |Path(id): Path<i64>| format!("user {id}");
//! let rename = async |Path(id): Path<i64>| format!("renamed {id}");
//! let app: Router = Router::new().route(path, get(show).put(rename).layer(stack));
//! # for (method, status) in [
//! #     ("GET", "cachekit; fwd=uri-miss; fwd-status=200; stored"),
//! #     ("GET", "cachekit; hit; ttl="),
//! #     ("PUT", ""),
//! #     ("GET", "cachekit; fwd=uri-miss; fwd-status=200; stored"),
//! # ] {
//! #     let request = Request::builder().method(method).uri("/users/7").header("host", "h.com");
//! #     let response = app.clone().oneshot(request.body(Body::empty())?).await?;
//! #     assert_eq!(response.status(), 200);
//! #     let told = response.headers().get("cache-status").map_or("", |line| line.to_str().unwrap());
//! #     assert!(told.starts_with(status), "{method} {told}");
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! `examples/axum-stack` and `examples/tonic-stack` are whole services, with a rate limit, a circuit breaker,
//! authentication, metrics and a graceful end.
//!
//! # Other orders
//!
//! | order | what happens |
//! |---|---|
//! | compression or CORS inside `Cache` | Responses say `Vary: accept-encoding` or `origin`, which is not declared: nothing is stored, and a warning says so once. |
//! | authentication inside `Cache`, as with tonic's `with_interceptor` | Nothing leaks, for requests with credentials are passed by. With [`per_principal`](cache::CacheLayerBuilder::per_principal) a token that was taken back is answered until the entry's end. An `InterceptorLayer` of tonic's stands outside. |
//! | `Invalidate` outside `Lock` | The next holder may read the old entry: the lock is released before it is dropped. |
//! | `Split` inside `Cache` | Its `Set-Cookie` stops storing, and its cookie counts as a credential. |
//! | a concurrency limit inside `Cache` without load shed between | Hits wait for permits that they do not need: readiness is that of the service inside. |
//! | a concurrency limit outside `Cache` | Hits take permits. |
//! | `Singleflight` beside `Cache` | It does what `Cache` does already. |
//! | `Cache` around axum's whole `Router` | There is no route yet, so that every request is passed by, and a warning says so once; say [`path`](cache::CacheLayerBuilder::path). |
//!
//! In axum the **last** `.layer` is the outermost; in a `ServiceBuilder`, and in tonic's `Server`, the **first**. Routers
//! and routes of axum are always ready, so that back-pressure inside them is not seen outside: load shed and concurrency
//! limit belong into one `ServiceBuilder`, under a `HandleErrorLayer`.
//!
//! # Features
//!
//! `axum`: parameters and routes as axum's router knows them, in the place of `path(..)`. `grpc`: keys from the fields of
//! decoded messages, by `method::<M>(..)`. `metrics`: the counters of [`observe`].

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod bloom;
mod body;
mod builder;
pub mod cache;
mod caught;
mod collect;
mod conditional;
mod deadline;
mod fading;
mod flight;
mod grpc;
mod guarded;
mod handler;
mod headers;
mod identity;
pub mod invalidate;
mod key;
mod kind;
pub mod lock;
mod macros;
mod method;
pub mod observe;
mod outlive;
mod reject;
mod requests;
pub mod scope;
mod security;
mod sharing;
pub mod singleflight;
pub mod split;
mod stack;
mod time;
mod writes;

#[doc(inline)]
pub use crate::{
    bloom::BloomLayer,
    cache::{CacheLayer, Freshness},
    invalidate::{InvalidateLayer, Invalidations},
    lock::{LockHandle, LockLayer},
    scope::{Scope, ScopeLayer},
    singleflight::SingleflightLayer,
    split::SplitLayer,
};
pub use crate::{
    body::Body,
    builder::{BuildError, IntoTime},
    key::KeyMissing,
    kind::Kind,
    outlive::Disconnect,
    reject::{ContentionCode, Rejection},
    security::{PeerCertificate, Principal},
    stack::ServiceBuilderExt,
};

/// An error of a body's or a service's, whatever it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
