//! What `ttl = expr` may be.

use std::time::Duration;

use crate::Ttl;

/// A time to live.
#[diagnostic::on_unimplemented(
    message = "a ttl is a `Ttl` or a `Duration`, not `{Self}`",
    label = "neither `Ttl` nor `Duration`",
    note = "write a text as it is, `ttl = \"30m\"`, and read one known at run time by `Ttl::parse`"
)]
pub trait IntoTtl {
    /// The same as a [`Ttl`].
    fn into_ttl(self) -> Ttl;
}

impl IntoTtl for Ttl {
    fn into_ttl(self) -> Ttl {
        self
    }
}

impl IntoTtl for Duration {
    fn into_ttl(self) -> Ttl {
        Ttl::from(self)
    }
}

/// The value of a `ttl` that is an expression.
pub fn ttl(ttl: impl IntoTtl) -> Ttl {
    ttl.into_ttl()
}
