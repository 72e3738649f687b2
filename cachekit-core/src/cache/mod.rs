//! The cache: its handle, how it is built, and how a read finds its way.

mod answer;
mod attempt;
mod builder;
mod call;
mod context;
mod copies;
#[cfg(feature = "redis")]
mod follower;
mod get_or_load;
mod handle;
#[cfg(any(feature = "redis", shuttle))]
mod load;
#[cfg(feature = "redis")]
mod local;
mod local_state;
mod look;
mod peek;
mod policy;
#[cfg(any(feature = "redis", shuttle))]
mod probe;
mod receipt;
mod refresh;
#[cfg(feature = "redis")]
mod remote;
mod scope;
mod start;

pub(crate) use answer::Answer;
pub use answer::Status;
pub(crate) use attempt::{Ask, Attempt, Step};
pub use builder::CacheBuilder;
pub(crate) use builder::Limits;
pub use call::{bypass, inherit, refresh, with_receipt, with_status};
pub(crate) use context::{Context, Mode};
pub(crate) use copies::Copies;
pub use handle::Cache;
#[cfg(feature = "redis")]
pub use local::LocalTier;
pub use local_state::LocalState;
pub(crate) use look::Looks;
pub use peek::Peek;
pub(crate) use policy::Lifetime;
pub use policy::{Policy, Weigh};
pub(crate) use receipt::Receipts;
pub use receipt::{Outcome, Receipt};
pub(crate) use refresh::Refresh;
pub use scope::Scope;
pub(crate) use start::{Start, Way};
