//! What expansions call. Not for use by hand: it changes without notice.

mod answers;
#[cfg(feature = "bloom")]
mod asking;
mod fail;
mod form;
mod lifetime;
mod locked;
mod many;
mod plan;
mod probe;
pub mod probes;
mod read;
mod recorder;
mod shape;
mod site;
mod tx;
mod write;
mod write_shape;

#[cfg(feature = "bloom")]
pub use self::asking::*;
pub use self::{
    answers::*, fail::*, form::*, lifetime::*, locked::*, many::*, plan::*, probe::*, probes::*,
    read::*, recorder::*, shape::*, site::*, tx::*, write::*, write_shape::*,
};
pub use crate::{
    cache::{Cache, Policy},
    key::{Key, KeyArg, KeyBuf, Segment, SegmentWriter, Tag},
    lock::LockHandle,
    ttl::Ttl,
};
