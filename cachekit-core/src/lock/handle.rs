//! What the guarded work may know of its lock.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use super::hold::Hold;
use crate::error::Error;

/// What the work under a lock may know of it: its fencing token, and whether it is still held.
///
/// A clone of what [`LockGuard::handle`](crate::LockGuard::handle) gives; it cannot release. After the guard is gone
/// it says that the lock is held no more.
#[derive(Clone, Debug)]
pub struct LockHandle {
    /// One a key, at least one.
    holds: Arc<[Arc<Hold>]>,
}

impl LockHandle {
    /// The handle of one lock, or of several that are held together.
    pub(crate) fn of(holds: impl Into<Arc<[Arc<Hold>]>>) -> LockHandle {
        LockHandle { holds: holds.into() }
    }

    #[cfg(feature = "_sqlx")]
    pub(super) fn holds(&self) -> &[Arc<Hold>] {
        &self.holds
    }

    /// The number of this acquisition; it only grows for the resource. See
    /// [`LockGuard::fencing_token`](crate::LockGuard::fencing_token).
    #[must_use]
    pub fn fencing_token(&self) -> u64 {
        self.holds.first().map_or(0, |hold| hold.fence())
    }

    /// Whether the lock is held now, by this machine's clock alone: nobody is asked, so this also tells the truth
    /// where the runtime was blocked and no renewal got through. Call it before each step that cannot be undone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LockLost`](crate::ErrorKind::LockLost) if it was lost or released.
    pub fn check(&self) -> Result<(), Error> {
        self.holds.iter().try_for_each(|hold| hold.check())
    }

    /// Resolves when the lock is held no more, with an error that says why: no renewal got through in time, its key
    /// is gone or another's, it was held for too long, or it was released.
    ///
    /// # Cancel safety
    ///
    /// Dropped at any time it leaves nothing behind; call it again.
    pub async fn lost(&self) -> Error {
        let mut waits: Vec<_> = self.holds.iter().map(|hold| Box::pin(hold.lost())).collect();
        poll_fn(|cx| {
            let mut ends = waits.iter_mut().map(|wait| wait.as_mut().poll(cx));
            ends.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await
    }

    /// For how long it has been held.
    #[must_use]
    pub fn held_for(&self) -> Duration {
        self.holds.first().map_or(Duration::ZERO, |hold| hold.held_for())
    }

    /// Runs `work` while the lock is held: when that is lost `work` is dropped at its next await.
    pub(crate) async fn run<F: Future>(&self, work: F) -> Result<F::Output, Error> {
        let (mut lost, mut work) = (pin!(self.lost()), pin!(work));
        poll_fn(|cx| {
            if let Poll::Ready(error) = lost.as_mut().poll(cx) {
                return Poll::Ready(Err(error));
            }
            // Timers stand still while the machine sleeps, and are late where the runtime was blocked.
            self.check()?;
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        sync::atomic::{AtomicU64, Ordering},
        task::{Context, Waker},
    };

    use super::*;
    use crate::{
        clock::{Clock, ManualClock},
        error::ErrorKind,
        key::Template,
        lock::hold::safe_until,
    };

    const LEASE: Duration = Duration::from_secs(60);

    fn held() -> (LockHandle, Arc<ManualClock>) {
        let manual = Arc::new(ManualClock::new());
        let clock = Clock::manual(manual.clone());
        let until = safe_until(clock.now_ms(), LEASE);
        let hold = Hold::new(Template::Static("order:<id>"), 7, clock, until, Duration::MAX);
        (LockHandle::of([Arc::new(hold)]), manual)
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn work_does_not_go_on_where_the_clock_has_and_timers_have_not() {
        let (handle, manual) = held();
        let steps = AtomicU64::new(0);
        let mut run = pin!(handle.run(poll_fn(|_| {
            steps.fetch_add(1, Ordering::Relaxed);
            Poll::<()>::Pending
        })));
        assert!(poll(run.as_mut()).is_pending());
        manual.advance(LEASE);
        let Poll::Ready(Err(error)) = poll(run.as_mut()) else { panic!("it goes on") };
        assert_eq!((error.kind(), steps.load(Ordering::Relaxed)), (ErrorKind::LockLost, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_loss_by_the_clock_alone_is_noticed_within_a_second() {
        let (handle, manual) = held();
        let mut lost = pin!(handle.lost());
        assert!(poll(lost.as_mut()).is_pending());
        manual.advance(LEASE);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(poll(lost.as_mut()).is_ready());
    }
}
