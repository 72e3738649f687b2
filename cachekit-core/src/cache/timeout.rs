//! What a caller is told that waits no longer.

use std::time::Duration;

use super::Way;
use crate::{
    error::{Error, ErrorKind},
    flight::Verdict,
    key::Template,
    sync,
};

const OPERATION: &str = "load";
/// How long a caller whose time is up waits for a look at what is there.
const GRACE: Duration = Duration::from_millis(50);

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

    /// [`fall_back`](Self::fall_back) for a caller whose time is up.
    pub(crate) async fn fall_back_soon(&self) -> Option<Verdict> {
        let wants =
            self.ask.is_some_and(|ask| ask.policy.tolerates(0) || ask.policy.serves_invalidated());
        if !wants {
            return None;
        }
        sync::at_most(Some(GRACE), Box::pin(self.fall_back("hard_timeout"))).await.flatten()
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
