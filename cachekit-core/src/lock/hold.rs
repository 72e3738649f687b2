//! What a holder knows of its lock: until when it is certainly held, and whether it was lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{errors, queue::Turn};
use crate::{
    clock::Clock,
    error::Error,
    key::Template,
    sync::{Mutex, lock, sleep},
};

/// Why a lock is not held any more, though its holder did not release it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Loss {
    /// No renewal got through in time.
    Expired = 1,
    /// It is gone from the server: deleted by hand, or the server lost its data.
    Deleted,
    /// Somebody else has it.
    Taken,
    /// It was held for as long as it may be.
    MaxHold,
    /// The connection that held it is gone.
    Disconnected,
}

impl Loss {
    const ALL: [Self; 5] =
        [Self::Expired, Self::Deleted, Self::Taken, Self::MaxHold, Self::Disconnected];

    /// One word for metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Deleted => "deleted",
            Self::Taken => "taken",
            Self::MaxHold => "max_hold",
            Self::Disconnected => "disconnected",
        }
    }
}

/// How long a timer may go before the clock is asked again: the clock goes on while the machine sleeps, timers do not.
const GLANCE: Duration = Duration::from_secs(1);

/// How it stands with a lock that is held. What it becomes after that it stays: [`ENDED`], or the number of a [`Loss`].
const HELD: u8 = 0;

/// Released, or on its way to be.
const ENDED: u8 = u8::MAX;

/// One lock from its acquisition to its release or loss. The deadline is on this machine's clock, so whether the
/// lock is held can be told without asking anybody.
#[derive(Debug)]
pub(crate) struct Hold {
    template: Template,
    fence: u64,
    clock: Clock,
    since_ms: u64,
    /// Held before this; moved by renewals. `u64::MAX`: nothing but a release or [`Hold::lose`] ends it.
    until_ms: AtomicU64,
    /// It is never held beyond this.
    most_ms: u64,
    standing: AtomicU8,
    /// It is held no more.
    over: Notify,
    /// Given back when it is lost, so that nobody waits for a holder that never comes back.
    turn: Mutex<Option<Turn>>,
    /// What a database is shown of it.
    #[cfg(feature = "_sqlx")]
    pub(super) shown: std::sync::OnceLock<super::fencing::Fence>,
}

/// Until when a holder may rely on a lease that was asked for at `sent_ms`: the clocks of the two machines may
/// differ in speed by a hundredth, and who is told of a loss needs time to stop before the lease is over.
pub(crate) fn safe_until(sent_ms: u64, lease: Duration) -> u64 {
    let lease_ms = millis(lease);
    let drift_ms = lease_ms / 100 + 2;
    let margin_ms = (lease_ms / 10).clamp(5, 500);
    sent_ms.saturating_add(lease_ms.saturating_sub(drift_ms + margin_ms))
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Hold {
    /// A lock that was just acquired: held until `until_ms` on `clock` unless renewed, and for `max_hold` at most.
    pub(crate) fn new(
        template: Template,
        fence: u64,
        clock: Clock,
        until_ms: u64,
        max_hold: Duration,
    ) -> Hold {
        let since_ms = clock.now_ms();
        let most_ms = since_ms.saturating_add(millis(max_hold));
        let until_ms = AtomicU64::new(until_ms);
        Hold {
            template,
            fence,
            clock,
            since_ms,
            until_ms,
            most_ms,
            standing: AtomicU8::new(HELD),
            over: Notify::new(),
            turn: Mutex::default(),
            #[cfg(feature = "_sqlx")]
            shown: std::sync::OnceLock::new(),
        }
    }

    pub(crate) fn template(&self) -> &Template {
        &self.template
    }

    /// The number that only grows for this resource.
    pub(crate) fn fence(&self) -> u64 {
        self.fence
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How long it has been held.
    pub(crate) fn held_for(&self) -> Duration {
        Duration::from_millis(self.clock.now_ms().saturating_sub(self.since_ms))
    }

    /// Moves the deadline after a renewal, never back. `false`: too late, it is lost.
    pub(crate) fn extend(&self, until_ms: u64) -> bool {
        if !self.is_held() {
            return false;
        }
        self.until_ms.fetch_max(until_ms, Ordering::AcqRel);
        true
    }

    /// Has the turn in this process last until the lock is lost, or the turn is taken from here.
    pub(super) fn keep(self: &Arc<Self>, turn: Turn) {
        turn.held_by(self);
        *lock(&self.turn) = Some(turn);
        if !self.is_held() {
            drop(self.take_turn());
        }
    }

    /// The turn, to be given back by whoever releases the lock.
    pub(super) fn take_turn(&self) -> Option<Turn> {
        lock(&self.turn).take()
    }

    /// Notes that it is lost, gives the turn back and tells all who wait for the loss. `true` for the first to do so.
    pub(crate) fn lose(&self, loss: Loss) -> bool {
        let first = self.settle(loss as u8);
        if first {
            // Who is told of the loss may ask for the lock at once.
            drop(self.take_turn());
            self.over.notify_waiters();
        }
        first
    }

    /// Notes that its holder lets go of it. `true` if it was held till now.
    pub(crate) fn end(&self) -> bool {
        // A deadline that passed unnoticed is a loss.
        let first = self.is_held() && self.settle(ENDED);
        if first {
            self.over.notify_waiters();
        }
        first
    }

    /// Whether it is held now, by the clock alone.
    pub(crate) fn is_held(&self) -> bool {
        if self.standing.load(Ordering::Acquire) != HELD {
            return false;
        }
        let now_ms = self.clock.now_ms();
        let over = match now_ms {
            now_ms if now_ms >= self.most_ms => Loss::MaxHold,
            now_ms if now_ms >= self.until_ms.load(Ordering::Acquire) => Loss::Expired,
            _ => return true,
        };
        self.lose(over);
        false
    }

    /// Why it was lost, if it was.
    pub(crate) fn loss(&self) -> Option<Loss> {
        let standing = self.standing.load(Ordering::Acquire);
        Loss::ALL.into_iter().find(|loss| *loss as u8 == standing)
    }

    /// An error unless it is held now.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_held() { Ok(()) } else { Err(self.error()) }
    }

    /// Resolves when it is held no more, whoever notices: this waits for the deadline by itself.
    pub(crate) async fn lost(&self) -> Error {
        loop {
            // Before the look: what comes after that is not missed.
            let over = self.over.notified();
            if !self.is_held() {
                return self.error();
            }
            let ends_ms = self.ends_ms();
            let left = Duration::from_millis(ends_ms.saturating_sub(self.clock.now_ms()));
            tokio::select! {
                () = over => {}
                () = sleep(left.min(GLANCE)), if ends_ms < u64::MAX => {}
            }
        }
    }

    /// When it ends by the clock, unless it is renewed.
    pub(crate) fn ends_ms(&self) -> u64 {
        self.until_ms.load(Ordering::Acquire).min(self.most_ms)
    }

    /// Changes how it stands, and tells nobody yet. `true` for the first to do so.
    fn settle(&self, to: u8) -> bool {
        self.standing.compare_exchange(HELD, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn error(&self) -> Error {
        errors::lost(&self.template, self.loss())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{clock::ManualClock, error::ErrorKind};

    const LEASE: Duration = Duration::from_secs(10);

    fn held(max_hold: Duration) -> (Arc<Hold>, Arc<ManualClock>) {
        let manual = Arc::new(ManualClock::new());
        let clock = Clock::manual(manual.clone());
        let until = safe_until(clock.now_ms(), LEASE);
        let template = Template::Static("order:<id>");
        (Arc::new(Hold::new(template, 7, clock, until, max_hold)), manual)
    }

    fn advance(manual: &ManualClock, by: Duration) -> impl Future<Output = ()> {
        manual.advance(by);
        tokio::time::advance(by)
    }

    #[test]
    fn a_holder_stops_before_the_lease_is_over_on_any_clock() {
        assert_eq!(safe_until(1_000, LEASE), 1_000 + 10_000 - 100 - 2 - 500);
        assert_eq!(safe_until(0, Duration::from_millis(100)), 100 - 1 - 2 - 10);
        assert_eq!(safe_until(5, Duration::from_millis(3)), 5);
    }

    #[test]
    fn the_clock_alone_tells_that_a_lock_is_lost_and_no_renewal_brings_it_back() {
        let (hold, manual) = held(Duration::MAX);
        manual.advance(Duration::from_millis(9_397));
        assert!(hold.check().is_ok());
        manual.advance(Duration::from_millis(1));
        let error = hold.check().unwrap_err();
        assert_eq!((error.kind(), hold.loss()), (ErrorKind::LockLost, Some(Loss::Expired)));
        assert!(!hold.extend(u64::MAX) && hold.check().is_err());
        assert!(!hold.end(), "what is lost cannot be released");
    }

    #[test]
    fn a_renewal_moves_the_deadline_forward_only_and_never_beyond_the_longest_hold() {
        let (hold, manual) = held(Duration::from_secs(20));
        let start = hold.clock().now_ms();
        assert!(hold.extend(start + 15_000) && hold.extend(start + 1));
        manual.advance(Duration::from_millis(14_999));
        assert!(hold.check().is_ok());
        assert!(hold.extend(start + 30_000));
        manual.advance(Duration::from_millis(5_001));
        assert!(hold.check().is_err());
        assert_eq!(hold.loss(), Some(Loss::MaxHold));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_loss_is_told_at_the_deadline_that_renewals_have_moved() {
        let (hold, manual) = held(Duration::MAX);
        let waiting = tokio::spawn({
            let hold = hold.clone();
            async move { hold.lost().await }
        });
        tokio::task::yield_now().await;
        assert!(hold.extend(hold.clock().now_ms() + 20_000));
        advance(&manual, Duration::from_secs(12)).await;
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        advance(&manual, Duration::from_secs(8)).await;
        assert_eq!(waiting.await.unwrap().kind(), ErrorKind::LockLost);
    }

    #[tokio::test]
    async fn who_waits_for_the_loss_is_told_of_it_at_once_and_also_of_the_release() {
        for release in [true, false] {
            let (hold, _manual) = held(Duration::MAX);
            let waiting = tokio::spawn({
                let hold = hold.clone();
                async move { hold.lost().await }
            });
            tokio::task::yield_now().await;
            assert!(if release { hold.end() } else { hold.lose(Loss::Taken) });
            assert_eq!(waiting.await.unwrap().kind(), ErrorKind::LockLost);
            assert_eq!(hold.loss(), (!release).then_some(Loss::Taken));
        }
    }
}
