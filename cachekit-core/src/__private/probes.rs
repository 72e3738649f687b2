//! The traits of the probes, for an expansion to bring into scope without their names.

pub use super::probe::{
    ViaArc as _, ViaKept as _, ViaLost as _, ViaOption as _, ViaOwned as _, ViaPlain as _,
    ViaResult as _, ViaResultOption as _,
};
pub use super::tx::{ViaConnection as _, ViaInTransaction as _, ViaSilent as _};
