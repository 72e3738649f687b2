//! Which messages this consumer has taken and not settled.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The ids of entries, and when each was last claimed.
#[derive(Debug, Default)]
pub(super) struct InHand(Mutex<HashMap<String, Instant>>);

impl InHand {
    /// `false`: it is in hand already, and was delivered to us once more.
    pub(super) fn add(&self, id: &str, claimed: Instant) -> bool {
        self.lock().insert(id.to_owned(), claimed).is_none()
    }

    pub(super) fn remove(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Those that are still ours for sure. One that was not kept in time may be another's by now: to claim it would be to
    /// take it back.
    pub(super) fn ours(&self, idle: Duration) -> Vec<String> {
        let held = self.lock();
        let ours = held.iter().filter(|(_, claimed)| claimed.elapsed() < idle);
        ours.map(|(id, _)| id.clone()).collect()
    }

    /// They were claimed once more.
    pub(super) fn kept(&self, ids: &[String], claimed: Instant) {
        let mut held = self.lock();
        for id in ids {
            if let Some(at) = held.get_mut(id) {
                *at = claimed;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_not_kept_in_time_is_not_claimed_back() {
        let (in_hand, idle) = (InHand::default(), Duration::from_secs(3));
        assert!(in_hand.add("1-0", Instant::now()));
        assert!(!in_hand.add("1-0", Instant::now()), "it is there already");
        tokio::time::advance(Duration::from_secs(2)).await;
        let ours = in_hand.ours(idle);
        assert_eq!(ours, ["1-0"]);
        in_hand.kept(&ours, Instant::now());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(in_hand.ours(idle).len(), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(in_hand.ours(idle).is_empty());
    }
}
