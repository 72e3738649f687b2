//! The queue inside this process: one caller a key has the turn, the others wait in the order in which they came.

use std::{
    collections::HashMap,
    fmt,
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::hold::Hold;
use crate::sync::{Mutex, lock};

/// Callers of one key, waiting or holding; one more is refused.
pub(super) const MOST_CALLERS: usize = 1024;

/// Acquisitions in a row by callers of this process while those of others wait; the next caller waits behind them.
const MOST_STREAK: u32 = 4;

/// The queues of all keys that somebody wants now.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: Mutex<HashMap<Arc<str>, Callers>>,
}

/// Those of one key.
#[derive(Debug, Default)]
struct Callers {
    count: usize,
    line: Arc<Line>,
}

/// The queue of one key.
#[derive(Debug)]
struct Line {
    turn: Semaphore,
    /// Whoever is next: the one who looks whether the holder still holds, for all behind.
    front: Semaphore,
    /// What the one whose turn it is has got by it.
    holder: Mutex<Weak<Hold>>,
    /// There is a holder now.
    held: Notify,
    /// How often the lock was released while others waited, and not yielded to them.
    streak: AtomicU32,
}

impl Queue {
    /// A place in the queue of the key; `None`: too many are there.
    pub(super) fn enter(self: &Arc<Self>, key: &str) -> Option<Place> {
        let mut lines = lock(&self.lines);
        let key = lines.get_key_value(key).map_or_else(|| key.into(), |(key, _)| key.clone());
        let callers = lines.entry(key.clone()).or_default();
        if callers.count >= MOST_CALLERS {
            return None;
        }
        callers.count += 1;
        Some(Place { queue: self.clone(), key, line: callers.line.clone() })
    }

    fn leave(&self, key: &Arc<str>) {
        let mut lines = lock(&self.lines);
        if let Some(callers) = lines.get_mut(key) {
            callers.count -= 1;
            if callers.count == 0 {
                lines.remove(key);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.lines).len()
    }
}

impl Default for Line {
    fn default() -> Line {
        Line {
            turn: Semaphore::new(1),
            front: Semaphore::new(1),
            holder: Mutex::default(),
            held: Notify::new(),
            streak: AtomicU32::new(0),
        }
    }
}

impl Line {
    /// What is held, if anything is.
    fn hold(&self) -> Option<Arc<Hold>> {
        lock(&self.holder).upgrade()
    }

    /// Whether the holder has lost the lock, by the clock if nobody has noticed yet. Noticing gives its turn back.
    fn is_stale(&self) -> bool {
        self.hold().is_some_and(|hold| !hold.is_held())
    }

    /// Resolves when the one whose turn it is holds the lock no more.
    async fn stale(&self) {
        loop {
            // Before the look: what comes after that is not missed.
            let held = self.held.notified();
            match self.hold() {
                Some(hold) => {
                    hold.lost().await;
                    return;
                }
                None => held.await,
            }
        }
    }
}

/// A caller's place in the queue; dropping it leaves.
pub(super) struct Place {
    queue: Arc<Queue>,
    key: Arc<str>,
    line: Arc<Line>,
}

impl Place {
    /// The turn, if nobody has it or waits for it.
    pub(super) fn turn_now(self) -> Result<Turn, Place> {
        let taken = self.permit_now().map(SemaphorePermit::forget).is_some();
        if taken { Ok(Turn { place: self }) } else { Err(self) }
    }

    fn permit_now(&self) -> Option<SemaphorePermit<'_>> {
        let Line { front, turn, .. } = &*self.line;
        let _front = front.try_acquire().ok()?;
        let permit = turn.try_acquire();
        match permit {
            Err(_) if self.line.is_stale() => turn.try_acquire().ok(),
            permit => permit.ok(),
        }
    }

    /// The turn, after all who came before, and when its holder has lost the lock at the latest. Dropped in mid-way
    /// the place is given up.
    pub(super) async fn turn(self) -> Turn {
        self.permit().await.forget();
        Turn { place: self }
    }

    async fn permit(&self) -> SemaphorePermit<'_> {
        const OPEN: &str = "nobody closes it";
        let Line { front, turn, .. } = &*self.line;
        let _front = front.acquire().await.expect(OPEN);
        let mut taken = pin!(turn.acquire());
        let permit = tokio::select! {
            biased;
            permit = &mut taken => permit,
            () = self.line.stale() => taken.await,
        };
        permit.expect(OPEN)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.leave(&self.key);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key may hold personal data.
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

/// The turn of a key; dropping it lets the next caller have it.
#[derive(Debug)]
pub(super) struct Turn {
    /// While somebody waits the line must stay.
    place: Place,
}

impl Turn {
    /// Lets the next caller see when this one's lock is over.
    pub(super) fn held_by(&self, hold: &Arc<Hold>) {
        *lock(&self.place.line.holder) = Arc::downgrade(hold);
        self.place.line.held.notify_waiters();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the turn: whoever has it next is not taken for this holder.
        *lock(&self.place.line.holder) = Weak::new();
        self.place.line.turn.add_permits(1);
    }
}

#[cfg_attr(not(feature = "redis"), allow(dead_code))]
impl Turn {
    /// Whether this process has taken the lock often enough in a row while others waited.
    pub(super) fn must_yield(&self) -> bool {
        self.place.line.streak.load(Ordering::Relaxed) >= MOST_STREAK
    }

    /// The lock was released, and somebody of another process woken or not.
    pub(super) fn note_release(&self, woken: bool) {
        let streak = &self.place.line.streak;
        match woken {
            true => streak.fetch_add(1, Ordering::Relaxed),
            false => streak.swap(0, Ordering::Relaxed),
        };
    }

    /// Others went first.
    pub(super) fn has_yielded(&self) {
        self.place.line.streak.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll, Waker},
        time::Duration,
    };

    use super::*;
    use crate::{
        clock::{Clock, ManualClock},
        key::Template,
    };

    #[tokio::test]
    async fn turns_are_taken_in_the_order_of_arrival_and_leave_nothing_behind() {
        let queue = Arc::new(Queue::default());
        let first = queue.enter("k").unwrap().turn_now().unwrap();
        assert!(queue.enter("k").unwrap().turn_now().is_err());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..5 {
            let (place, order) = (queue.enter("k").unwrap(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _turn = place.turn().await;
                order.lock().unwrap().push(number);
            }));
            tokio::task::yield_now().await;
        }
        tasks.remove(2).abort();
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 3, 4]);
        assert_eq!(queue.len(), 0);
    }

    /// With nobody to wake.
    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn hold(clock: &Clock, max_hold: Duration) -> Arc<Hold> {
        let template = Template::Static("order:<id>");
        Arc::new(Hold::new(template, 1, clock.clone(), u64::MAX, max_hold))
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_watches_the_holder_and_not_the_one_before() {
        let (queue, manual) = (Arc::new(Queue::default()), Arc::new(ManualClock::new()));
        let clock = Clock::manual(manual.clone());
        let (old, new) = (hold(&clock, Duration::MAX), hold(&clock, Duration::from_secs(1)));
        old.keep(queue.enter("k").unwrap().turn_now().unwrap());
        // Who is next keeps the line from being forgotten with its holder.
        let next = queue.enter("k").unwrap();
        assert!(old.end());
        drop(old.take_turn());
        let turn = next.turn_now().unwrap();
        let mut waiting = Box::pin(queue.enter("k").unwrap().turn());
        assert!(poll(&mut waiting).is_pending());
        new.keep(turn);
        assert!(poll(&mut waiting).is_pending());
        manual.advance(Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(poll(&mut waiting).is_ready(), "the new holder's time is over");
    }

    #[tokio::test]
    async fn a_newcomer_does_not_pass_those_who_wait_between_two_turns() {
        let queue = Arc::new(Queue::default());
        let first = queue.enter("k").unwrap().turn_now().unwrap();
        let mut second = Box::pin(queue.enter("k").unwrap().turn());
        let mut third = Box::pin(queue.enter("k").unwrap().turn());
        assert!(poll(&mut second).is_pending() && poll(&mut third).is_pending());
        drop(first);
        assert!(poll(&mut second).is_ready(), "and its turn is over at once");
        assert!(queue.enter("k").unwrap().turn_now().is_err());
        assert!(poll(&mut third).is_ready());
    }

    #[test]
    fn a_crowd_is_refused_and_keys_do_not_disturb_each_other() {
        let queue = Arc::new(Queue::default());
        let places: Vec<_> = (0..MOST_CALLERS).map(|_| queue.enter("k").unwrap()).collect();
        assert!(queue.enter("k").is_none());
        assert!(queue.enter("other").unwrap().turn_now().is_ok());
        drop(places);
        assert!(queue.enter("k").unwrap().turn_now().is_ok());
        assert_eq!(queue.len(), 0);
    }
}
