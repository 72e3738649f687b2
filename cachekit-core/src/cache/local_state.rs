//! How the in-process tier is doing.

use std::time::Duration;

use super::Cache;

/// What [`Cache::local_state`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalState {
    /// There is no in-process tier.
    Off,
    /// It is all there is: nobody else changes what it has.
    Alone,
    /// It has copies of what is in Redis, which nobody is told about: each ends with its TTL.
    ByTtlOnly,
    /// It has copies, and all that was invalidated so long ago is applied.
    Live {
        /// The age of the horizon. Grows until the next heartbeat comes back, to 250 ms and the way there and back
        /// on a healthy connection.
        behind: Duration,
    },
    /// It has copies that are not served: nobody tells of invalidations, or the news is too old. Reads go to Redis.
    Suspect,
}

impl Cache {
    /// How the in-process tier is doing now.
    ///
    /// ```
    /// use cachekit_core::{Cache, LocalState};
    ///
    /// assert_eq!(Cache::builder().build()?.local_state(), LocalState::Alone);
    /// assert_eq!(Cache::disabled().local_state(), LocalState::Off);
    /// # Ok::<(), cachekit_core::Error>(())
    /// ```
    #[must_use]
    pub fn local_state(&self) -> LocalState {
        let Some(engine) = self.engine() else { return LocalState::Off };
        match (&engine.tier, &engine.copies, &engine.coherence) {
            (None, ..) => LocalState::Off,
            (_, None, _) => LocalState::Alone,
            (.., None) => LocalState::ByTtlOnly,
            (.., Some(coherence)) => match coherence.view(|| engine.clock.now_ms()) {
                None => LocalState::Suspect,
                Some(view) => {
                    let behind_ms = coherence.age_ms(view.now_ms).unwrap_or_default();
                    LocalState::Live { behind: Duration::from_millis(behind_ms) }
                }
            },
        }
    }
}
