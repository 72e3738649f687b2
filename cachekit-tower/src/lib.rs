//! Tower layers that bring cachekit to axum and tonic.
//!
//! * [`scope`]: binds a [`Cache`](cachekit_core::Cache) to everything that happens in a request.
//!
//! Layers add nothing to a service's errors, call the service that was readied and no clone of it,
//! and spawn no task.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod builder;
mod collect;
mod conditional;
mod grpc;
mod guarded;
mod identity;
pub mod invalidate;
mod key;
mod kind;
mod method;
mod outlive;
mod reject;
mod requests;
pub mod scope;
mod security;
pub mod split;
mod tell;
mod time;

pub use crate::{
    body::Body,
    builder::{BuildError, IntoTime},
    key::KeyMissing,
    kind::Kind,
    outlive::Disconnect,
    reject::{ContentionCode, Rejection},
    security::{PeerCertificate, Principal},
};
#[doc(inline)]
pub use crate::{
    invalidate::{InvalidateLayer, Invalidations},
    scope::{Scope, ScopeLayer},
    split::SplitLayer,
};

/// An error of a body's or a service's, whatever it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
