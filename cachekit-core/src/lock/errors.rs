//! What a lock's caller is told: busy, waited long enough, lost, or nobody knows.

use std::time::Duration;

use super::hold::Loss;
use crate::{
    error::{Error, ErrorKind},
    key::Template,
};

/// The operation that errors of an acquisition name.
pub(crate) const ACQUIRE: &str = "acquire the lock";
/// The operation that errors of a release name.
#[cfg_attr(not(feature = "redis"), allow(dead_code))]
pub(crate) const RELEASE: &str = "release the lock";
const HOLD: &str = "hold the lock";

pub(crate) fn busy(template: &Template) -> Error {
    Error::new(ErrorKind::Busy, ACQUIRE, "somebody else holds it").with_template(template.clone())
}

pub(crate) fn exhausted(template: &Template, wait: Duration) -> Error {
    let message = format!("it was not free within {wait:?}");
    Error::new(ErrorKind::WaitExhausted, ACQUIRE, message).with_template(template.clone())
}

pub(crate) fn crowded(template: &Template, most: usize) -> Error {
    let message = format!("{most} callers of this process wait for it already");
    Error::new(ErrorKind::Overloaded, ACQUIRE, message).with_template(template.clone())
}

pub(crate) fn lost(template: &Template, loss: Option<Loss>) -> Error {
    let message = match loss {
        Some(Loss::Expired) => "it is lost: no renewal got through in time",
        Some(Loss::Deleted) => "it is lost: it was removed from the server",
        Some(Loss::Taken) => "it is lost: somebody else has it",
        Some(Loss::MaxHold) => "it is lost: it was held for longer than its `max_hold`",
        None => "it was released",
    };
    Error::new(ErrorKind::LockLost, HOLD, message).with_template(template.clone())
}

/// What the log-in of a cache with locks must be allowed to do besides.
#[cfg(feature = "redis")]
const FORBIDDEN: &str = "redis forbids it to this user; allow `+eval +evalsha +time +exists +get +set +incr +pttl \
    +pexpire +unlink +zadd +zscore +zrange +zrevrange +zrem +hset +hget +hdel` on `~ck~*`, and `+publish +subscribe` \
    on `&ck~wake:*`";

/// Redis cannot be reached, refuses, or has not answered.
#[cfg(feature = "redis")]
pub(crate) fn unavailable(
    operation: &'static str,
    template: &Template,
    error: crate::redis::StoreError,
) -> Error {
    use crate::redis::{Refusal, StoreError};
    let (kind, message) = match error {
        StoreError::Down => (ErrorKind::Unavailable, "redis cannot be reached"),
        StoreError::OutOfMemory => (ErrorKind::Unavailable, "redis is out of memory"),
        StoreError::Refused(Refusal::Forbidden) => (ErrorKind::Unavailable, FORBIDDEN),
        StoreError::Refused(_) => (ErrorKind::Unavailable, "redis refused the command"),
        StoreError::Timeout => (ErrorKind::Timeout, "redis did not answer in time"),
        StoreError::Io => (ErrorKind::Unavailable, "the connection to redis broke"),
    };
    Error::new(kind, operation, message)
        .with_template(template.clone())
        .with_source(format!("{error:?}"))
}
