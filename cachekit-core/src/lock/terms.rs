//! The terms on which a lock is asked for.

use std::{borrow::Cow, time::Duration};

use super::errors::ACQUIRE;
use crate::error::{Error, ErrorKind};

/// What fencing tokens stay below: scripts of Redis count in doubles.
const MOST_FENCE: u64 = 1 << 53;

/// A shorter lease would be over before anybody could renew it.
const LEAST_LEASE: Duration = Duration::from_millis(100);
const MOST_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a lock is asked for with.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) fair: bool,
    pub(crate) owner: Option<Cow<'static, str>>,
    pub(crate) max_hold: Duration,
    /// The fencing token is to be above this.
    pub(crate) floor: u64,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            lease: Duration::from_secs(10),
            wait: Duration::from_secs(10),
            fair: false,
            owner: None,
            max_hold: Duration::from_secs(60 * 60),
            floor: 0,
        }
    }
}

impl Terms {
    /// Refuses what can never work.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, ACQUIRE, message));
        if self.lease < LEAST_LEASE || self.lease > MOST_LEASE {
            return refuse(format!(
                "the lease is {:?}; give {LEAST_LEASE:?} to {MOST_LEASE:?}",
                self.lease
            ));
        }
        if self.max_hold.is_zero() {
            return refuse("`max_hold` is zero: it could never be held".into());
        }
        // As many again are left to count.
        if self.floor >= MOST_FENCE / 2 {
            return refuse(format!("`above({})` leaves no room for fencing tokens", self.floor));
        }
        let odd = |owner: &str| owner.len() > 128 || owner.chars().any(char::is_control);
        if self.owner.as_deref().is_some_and(odd) {
            return refuse(
                "the owner's label has more than 128 bytes or control characters".into(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut Terms)) -> String {
        let mut terms = Terms::default();
        change(&mut terms);
        let error = terms.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    #[test]
    fn terms_that_can_never_work_are_refused_with_what_to_give() {
        assert!(Terms::default().check().is_ok());
        assert!(refused(|terms| terms.lease = Duration::from_millis(99)).contains("100ms to"));
        assert!(refused(|terms| terms.lease = Duration::MAX).contains("100ms to"));
        assert!(refused(|terms| terms.max_hold = Duration::ZERO).contains("`max_hold`"));
        assert!(refused(|terms| terms.floor = 1 << 52).contains("no room"));
        assert!(refused(|terms| terms.owner = Some("a\nb".into())).contains("label"));
    }
}
