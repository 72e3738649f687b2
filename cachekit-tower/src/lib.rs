//! Tower layers that bring cachekit to axum and tonic.
//!
//! * [`scope`]: binds a [`Cache`](cachekit_core::Cache) to everything that happens in a request.
//!
//! Layers add nothing to a service's errors, call the service that was readied and no clone of it,
//! and spawn no task.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod scope;

#[doc(inline)]
pub use crate::scope::{Scope, ScopeLayer};
