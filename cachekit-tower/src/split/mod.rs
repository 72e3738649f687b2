//! Where a request's reads go, and read-your-writes across processes.
//!
//! A request that only reads may use replicas of the database; from the first write on, what is left of it goes to the
//! primary. The user's own code asks where with [`Scope::read_preference`]. A response whose request wrote carries a
//! token, in a cookie or a header, that says what was written. When the client brings it back, in whichever process, the
//! reads of those keys pass copies that may not know of the write yet; replicas are used only at or past its position.
//!
//! | request | reads of the database |
//! |---|---|
//! | `GET`, `HEAD`, `OPTIONS`, `TRACE`, `QUERY`, gRPC methods by [`reads`](SplitBuilder::reads) | replicas, until it writes, and never inside a load that the cache keeps |
//! | all others | the primary |
//!
//! It stands inside [`ScopeLayer`](crate::ScopeLayer) and outside everything that looks for credentials, so that its own
//! cookie is none to them. Outside a `ScopeLayer` it makes a scope of its own, which does not reach the response's body.
//!
//! What a token is worth: the copies of another process may be behind for the [staleness](cachekit_core::SessionBounds)
//! of their local tier, so a key that was written is read past them for twice that time and 5 s for clocks that differ.
//! Where an invalidation was under way still the key is read past every tier, for a minute more. The position of a write
//! is known only if the user's code tells it, by [`Scope::note_position`]; else reads of the session go to the primary
//! for as long as [a replica may be behind](SplitBuilder::replica_lag). A write that begins after the response's head has
//! gone out, in a streamed body, is not in its token.
//!
//! # Examples
//!
//! ```
//! use cachekit_core::Cache;
//! use cachekit_tower::{ScopeLayer, SplitLayer};
//! use tower::ServiceBuilder;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder().build()?;
//! # let secret = [7; 32];
//! let layers = ServiceBuilder::new()
//!     .layer(ScopeLayer::new(cache.clone()))
//!     .layer(SplitLayer::builder(&cache).secret(secret).build()?);
//! # let _ = layers;
//! # Ok(())
//! # }
//! ```
//!
//! For clients without cookies, with a secret that is being changed, and gRPC methods that only read:
//!
//! ```
//! use cachekit_core::Cache;
//! use cachekit_tower::{SplitLayer, split::Transport};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (cache, new, old) = (Cache::builder().build()?, [7; 32], [8; 32]);
//! let split = SplitLayer::builder(&cache)
//!     .secret(new)
//!     .previous_secret(old)
//!     .transport(Transport::Header)
//!     .reads(["/shop.Users/GetUser"])
//!     .build()?;
//! # let _ = split;
//! # Ok(())
//! # }
//! ```

mod builder;
mod future;
mod layer;
mod service;
mod transport;

pub use self::{
    builder::SplitBuilder, future::ResponseFuture, layer::SplitLayer, service::SplitService,
    transport::Transport,
};
#[doc(no_inline)]
pub use cachekit_core::{ReadPreference, Scope};
