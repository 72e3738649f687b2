//! Tower layers that bring cachekit to axum and tonic.
//!
//! * [`scope`]: binds a [`Cache`](cachekit_core::Cache) to everything that happens in a request.
//! * [`split`]: tells reads from writes, and shows clients their own writes in every process.
//! * [`bloom`]: ids that were never issued end here.
//! * [`singleflight`]: identical concurrent requests run the handler once.
//! * [`lock`]: one handler at a time for a key, across processes.
//! * [`invalidate`]: what a request may have written is invalidated before its answer goes out.
//!
//! Layers add nothing to a service's errors, call the service that was readied and no clone of it,
//! and spawn no task.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod bloom;
mod body;
mod builder;
mod collect;
mod conditional;
mod deadline;
mod flight;
mod grpc;
mod guarded;
mod identity;
pub mod invalidate;
mod key;
mod kind;
pub mod lock;
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

#[doc(inline)]
pub use crate::{
    bloom::BloomLayer,
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
