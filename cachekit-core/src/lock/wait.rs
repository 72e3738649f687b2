//! Waiting for a lock that another process holds: in line, woken when it is one's turn.
//!
//! A release wakes the first of the line and nobody else, so a hand-over takes two commands, however many wait. Who
//! waits comes back once a beat by itself, which says that it is alive and makes up for wakes that were lost; the
//! first also when the lease of a holder that died must be over.

use std::{sync::Arc, time::Duration};

use super::{
    acquire::Patience,
    errors,
    keeper::Keeper,
    remote::{Answer, Granted, Remote, Wish},
};
use crate::{
    error::Error,
    redis::{LockKeys, Sleeper},
    retry::full_jitter,
    sync::within,
};

/// How often a waiter comes back; missed twice it counts as dead.
const BEAT: Duration = Duration::from_secs(1);

/// How long the first waiter of a process waits for the connection that wakes it.
const LISTEN: Duration = Duration::from_millis(250);

impl Remote {
    /// Waits in line. `fair`: nobody takes the lock before those who have waited longer.
    pub(super) async fn wait(
        &self,
        wish: &Wish<'_>,
        patience: Patience,
        fair: bool,
    ) -> Result<Granted, Error> {
        let sleeper = self.wakes.sleeper();
        sleeper.listening(LISTEN.min(patience.left())).await;
        let mut place = InLine::new(&self.keeper, &wish.keys, sleeper.name());
        loop {
            let ask = async |token: &str| {
                let ask = wish.ask(token, fair);
                self.store.lock_wait(&wish.keys, ask, place.name(), BEAT).await
            };
            let (left, first) = match self.attempt(wish, ask).await? {
                Answer::Granted(granted) => {
                    place.has_left();
                    return Ok(granted);
                }
                Answer::Busy { left, first } => (left, first),
            };
            let pause = pause(left.filter(|_| first), wish.terms.lease);
            if !sleep(&sleeper, pause, patience).await {
                return Err(errors::exhausted(&wish.template, patience.wait));
            }
        }
    }
}

/// Until it is woken or the pause is over. `false`: patience is over.
async fn sleep(sleeper: &Sleeper, pause: Duration, patience: Patience) -> bool {
    let left = patience.left();
    within(pause.min(left), sleeper.woken()).await.is_some() || pause < left
}

/// How long to wait for a wake: not quite a beat, or until the lease of the holder is over.
fn pause(left: Option<Duration>, lease: Duration) -> Duration {
    let beat = BEAT.mul_f64(0.9) - full_jitter(BEAT / 4);
    let spread = full_jitter((lease / 10).min(Duration::from_millis(50)));
    left.map_or(beat, |left| beat.min(left + Duration::from_millis(1) + spread))
}

/// A place in the line in Redis; dropping it leaves.
struct InLine<'a> {
    keeper: &'a Keeper,
    keys: &'a Arc<LockKeys>,
    waiter: Option<String>,
}

impl<'a> InLine<'a> {
    fn new(keeper: &'a Keeper, keys: &'a Arc<LockKeys>, waiter: String) -> InLine<'a> {
        InLine { keeper, keys, waiter: Some(waiter) }
    }

    fn name(&self) -> &str {
        self.waiter.as_deref().unwrap_or_default()
    }

    /// The lock was taken, and the place given up with that.
    fn has_left(&mut self) {
        self.waiter = None;
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.keeper.leave(self.keys.clone(), waiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_comes_back_within_a_beat_and_the_first_when_the_lease_is_over() {
        let lease = Duration::from_secs(10);
        for _ in 0..100 {
            let beat = pause(None, lease);
            assert!(beat < BEAT && beat > BEAT / 2, "{beat:?}");
            let left = Duration::from_millis(40);
            let first = pause(Some(left), lease);
            assert!(first > left && first <= left + Duration::from_millis(51), "{first:?}");
            assert!(pause(Some(lease), lease) < BEAT, "it says that it is alive all the same");
        }
    }
}
