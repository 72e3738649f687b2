//! What expansions call. Not for use by hand: it changes without notice.

mod answers;
mod form;
mod lifetime;
mod many;
mod probe;
pub mod probes;
mod read;
mod recorder;
mod shape;
mod site;
mod tx;
mod write;
mod write_shape;

pub use self::{
    answers::*, form::*, lifetime::*, many::*, probe::*, probes::*, read::*, recorder::*, shape::*,
    site::*, tx::*, write::*, write_shape::*,
};
pub use crate::{
    cache::{Cache, Policy},
    key::{Key, KeyArg, KeyBuf, Segment, SegmentWriter},
    ttl::Ttl,
};
