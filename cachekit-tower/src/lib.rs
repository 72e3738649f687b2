//! Tower layers that bring cachekit to axum and tonic.
//!
//! * [`scope`]: binds a [`Cache`](cachekit_core::Cache) to everything that happens in a request.
//! * [`singleflight`]: identical concurrent requests run the handler once.
//!
//! Layers add nothing to a service's errors, call the service that was readied and no clone of it,
//! and spawn no task.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod builder;
mod collect;
mod conditional;
mod flight;
mod grpc;
mod identity;
mod key;
mod kind;
pub mod observe;
mod reject;
pub mod scope;
mod security;
mod sharing;
pub mod singleflight;
mod stack;
mod time;

#[doc(inline)]
pub use crate::scope::{Scope, ScopeLayer};
#[doc(inline)]
pub use crate::singleflight::SingleflightLayer;
pub use crate::{
    body::Body,
    builder::{BuildError, IntoTime},
    key::KeyMissing,
    kind::Kind,
    reject::{ContentionCode, Rejection},
    security::{PeerCertificate, Principal},
    stack::ServiceBuilderExt,
};

/// An error of a body's or a service's, whatever it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
