//! What a caller is told that waits no longer.

use std::time::Duration;

use super::Way;
use crate::{
    error::{Error, ErrorKind},
    key::Template,
};

const OPERATION: &str = "load";

impl Way {
    /// The caller's time is up: it leaves its flight, and its load is cancelled or goes on under
    /// somebody else.
    pub(crate) fn time_is_up(&mut self, limit: Duration) -> Error {
        self.leave();
        let message = format!(
            "no answer within `hard_timeout`, {limit:?}; find out why the source is slow, or allow it more"
        );
        self.refusal(ErrorKind::Timeout, "hard_timeout", message)
    }

    /// There was no turn for this caller's load.
    pub(crate) fn is_crowded_out(&self) -> Error {
        let message = "too many loads wait for their turn; see `CacheBuilder::max_loads`";
        self.refusal(ErrorKind::Overloaded, "overloaded", message.into())
    }

    fn refusal(&self, kind: ErrorKind, reason: &'static str, message: String) -> Error {
        let error = Error::new(kind, OPERATION, message);
        match self.subject() {
            Some((engine, key)) => {
                engine.reporter.refused(key.template(), reason);
                error.with_template(key.to_template())
            }
            None if self.site.template.is_empty() => error,
            None => error.with_template(Template::Static(self.site.template)),
        }
    }
}
