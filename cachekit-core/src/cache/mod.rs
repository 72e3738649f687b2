//! The cache: its handle, how it is built, and how a read finds its way.

mod aging;
mod ahead;
mod anew;
mod answer;
mod at_once;
mod attempt;
mod bounds;
mod builder;
mod call;
mod collector;
mod context;
mod copies;
mod due;
mod fallback;
mod fence;
#[cfg(feature = "redis")]
mod follower;
mod freshness;
mod get_or_load;
mod handle;
mod health;
mod life;
#[cfg(any(feature = "redis", shuttle))]
mod load;
#[cfg(feature = "redis")]
mod local;
mod local_state;
mod look;
mod many;
mod marks;
mod peek;
mod policy;
#[cfg(any(feature = "redis", shuttle))]
mod probe;
mod receipt;
mod refresh;
#[cfg(feature = "redis")]
mod remote;
mod renewal;
mod revalidate;
mod scope;
#[cfg(feature = "session")]
mod session;
#[cfg(any(feature = "redis", shuttle))]
mod stamped_copies;
#[cfg(any(feature = "redis", shuttle))]
mod stamped_load;
mod stamps;
mod start;
mod tagged;
mod timeout;
mod told_errors;
mod tolerance;
mod track;
mod turns;
mod unkept;
mod warnings;

pub(crate) use aging::{Age, Old, Use};
pub(crate) use answer::Answer;
pub use answer::Status;
pub(crate) use attempt::{Ask, Attempt, Step};
pub use builder::CacheBuilder;
pub(crate) use builder::Limits;
pub use call::{bypass, inherit, refresh, with_receipt, with_status};
pub(crate) use context::{Context, Mode};
pub(crate) use copies::Copies;
pub(crate) use fallback::LastKnown;
pub use fence::Fence;
pub use freshness::{Freshness, with_freshness};
pub use handle::Cache;
pub use health::{Health, StoreChange};
pub use life::{HasLife, Life};
#[cfg(feature = "redis")]
pub use local::LocalTier;
pub use local_state::LocalState;
pub(crate) use look::Looks;
#[cfg(shuttle)]
pub(crate) use many::together;
pub(crate) use many::{Many, ManyStep};
pub(crate) use marks::{Mark, Marks};
pub use peek::Peek;
pub(crate) use policy::Lifetime;
pub use policy::{HasTtl, Policy, Weigh};
pub(crate) use receipt::Receipts;
pub use receipt::{Outcome, Receipt};
pub(crate) use refresh::Refresh;
pub use renewal::{Brought, Job};
pub(crate) use renewal::{Renewal, Renewals, Renewed};
pub use revalidate::{Fresh, Previous};
pub use scope::{ReadPreference, Scope};
#[cfg(feature = "session")]
pub use session::{Bounds as SessionBounds, Refused as SessionRefused, Session, SessionSecrets};
pub(crate) use stamps::Tags;
pub(crate) use start::{Start, Wants, Way};
pub use tagged::Tagged;
pub use told_errors::ToldError;
pub(crate) use track::Tasks;
pub(crate) use turns::Turns;
