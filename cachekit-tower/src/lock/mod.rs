//! One handler at a time for a key, across processes.
//!
//! An unsafe request, or a listed gRPC call, waits until it holds the lock of its key, runs, and releases it before its
//! response goes out. The handler finds a [`LockHandle`] among the request's extensions: its
//! [fencing token](LockHandle::fencing_token), for the database to refuse what comes too late, and
//! [`check`](LockHandle::check), for before what cannot be undone.
//!
//! | what happens | answer over HTTP | over gRPC |
//! |---|---|---|
//! | another request holds the lock for longer than this one waits, or too many wait | 429 (or [409, 423](LockBuilder::contention)), `Retry-After` | `ABORTED`, with pushback |
//! | the lock is lost while the handler runs: it is dropped at its next await | 503, no `Retry-After`: the outcome is unknown | `ABORTED`, not to be retried |
//! | Redis cannot be reached | 503 | `UNAVAILABLE` |
//! | a piece of the key is missing | 400 | `INVALID_ARGUMENT` |
//!
//! While a request waits it keeps no readiness of the service inside, so no permit of a concurrency limit. Getting ready
//! counts as hold time: put load shed inside to keep that short.
//!
//! **A client that goes away** does not release the lock. By default its handler is [finished](Disconnect::Finish) in a
//! task, under the lock. Where it is [cancelled](Disconnect::Cancel) the lock is *left to expire*: SQL that was sent may
//! be running still, and a transaction that was dropped is rolled back later than it was dropped.
//!
//! **How long it is held.** Over HTTP until the head of the response is ready, over gRPC until its body has ended, failed
//! or was dropped; see [`Hold`]. A slow reader holds it for [`max_hold`](LockBuilder::max_hold) at most; then the body
//! ends with an error. A body that a server does not poll, since its client does not read, is told of that when it is
//! polled again; others get the lock all the same.
//!
//! An `Idempotency-Key` may be the key: requests of one key then run one after the other. Keeping the first answer for
//! the others is not offered here, for it is right only if it is committed with the data.
//!
//! It stands outside [`InvalidateLayer`](crate::InvalidateLayer), so that the next holder finds nothing old in the cache.
//!
//! # Examples
//!
//! ```
//! use cachekit_core::Cache;
//! use cachekit_tower::{LockHandle, LockLayer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder().build()?;
//! let lock = LockLayer::builder(&cache).path("/orders/{id}/pay").key("order:<id>").build()?;
//!
//! async fn pay(request: http::Request<()>) -> Result<(), cachekit_core::Error> {
//!     let lock = request.extensions().get::<LockHandle>().expect("`pay` stands inside a `LockLayer`");
//!     let _fence = lock.fencing_token(); // UPDATE … SET …, fence = $fence WHERE … AND fence <= $fence
//!     lock.check()
//! }
//! # let _ = (lock, pay);
//! # Ok(())
//! # }
//! ```
//!
//! Customised:
//!
//! ```
//! use cachekit_core::Cache;
//! use cachekit_tower::{Disconnect, LockLayer, lock::Hold};
//! use http::StatusCode;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::builder().build()?;
//! let lock = LockLayer::builder(&cache)
//!     .key("idempotent:<header.idempotency_key>")
//!     .lease("10s")
//!     .wait("0s")
//!     .max_hold("1m")
//!     .contention(StatusCode::CONFLICT)
//!     .hold(Hold::Body)
//!     .on_disconnect(Disconnect::Cancel)
//!     .build()?;
//! # let _ = lock;
//! # Ok(())
//! # }
//! ```

mod builder;
mod held;
mod layer;
mod run;
mod service;
mod until_end;
mod waiting;

pub use self::{
    builder::{Hold, LockBuilder, OnUnavailable},
    layer::LockLayer,
    service::LockService,
};
#[doc(no_inline)]
pub use crate::Disconnect;
pub use crate::guarded::ResponseFuture;
#[doc(inline)]
pub use cachekit_core::LockHandle;
