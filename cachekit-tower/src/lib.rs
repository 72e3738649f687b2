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
mod identity;
mod key;
mod kind;
mod reject;
pub mod scope;
mod security;
mod time;

#[doc(inline)]
pub use crate::scope::{Scope, ScopeLayer};
pub use crate::{
    body::Body,
    builder::{BuildError, IntoTime},
    key::KeyMissing,
    kind::Kind,
    reject::{ContentionCode, Rejection},
    security::{PeerCertificate, Principal},
};

/// An error of a body's or a service's, whatever it is.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
