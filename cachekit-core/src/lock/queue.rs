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

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::hold::Hold;
use crate::sync::{Mutex, lock};

/// Callers of one key, waiting or holding; one more is refused.
pub(super) const MOST_CALLERS: usize = 1024;

/// Acquisitions in a row by callers of this process while those of others wait; the next caller waits behind them.
const MOST_STREAK: u32 = 4;

/// The queues of all keys that somebody wants now.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: Mutex<HashMap<Arc<str>, Line>>,
}

/// The queue of one key.
#[derive(Clone, Debug)]
struct Line {
    callers: usize,
    turn: Arc<Semaphore>,
    /// Whoever is next: the one who looks whether the holder still holds, for all behind.
    front: Arc<Semaphore>,
    /// What the one whose turn it is has got by it.
    holder: Arc<watch::Sender<Weak<Hold>>>,
    /// How often the lock was released while others waited, and not yielded to them.
    streak: Arc<AtomicU32>,
}

impl Queue {
    /// A place in the queue of the key; `None`: too many are there.
    pub(super) fn enter(self: &Arc<Self>, key: &str) -> Option<Place> {
        let mut lines = lock(&self.lines);
        let (key, line) = match lines.get_key_value(key) {
            Some((key, line)) if line.callers < MOST_CALLERS => (key.clone(), line.clone()),
            Some(_) => return None,
            None => (key.into(), Line::new()),
        };
        let entry = lines.entry(key.clone()).or_insert_with(|| line.clone());
        entry.callers += 1;
        Some(Place { queue: self.clone(), key, line })
    }

    fn leave(&self, key: &Arc<str>) {
        let mut lines = lock(&self.lines);
        if let Some(line) = lines.get_mut(key) {
            line.callers -= 1;
            if line.callers == 0 {
                lines.remove(key);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.lines).len()
    }
}

impl Line {
    fn new() -> Line {
        let one = || Arc::new(Semaphore::new(1));
        let holder = Arc::new(watch::Sender::new(Weak::new()));
        Line { callers: 0, turn: one(), front: one(), holder, streak: Arc::default() }
    }

    /// Whether the holder has lost the lock, by the clock if nobody has noticed yet. Noticing gives its turn back.
    fn is_stale(&self) -> bool {
        // Not while the watch is locked: the turn that comes back writes to it.
        let holder = self.holder.borrow().clone();
        holder.upgrade().is_some_and(|hold| !hold.is_held())
    }

    /// Resolves when the one whose turn it is holds the lock no more.
    async fn stale(&self) {
        let mut holder = self.holder.subscribe();
        loop {
            let hold = holder.borrow_and_update().upgrade();
            if let Some(hold) = hold {
                hold.lost().await;
                return;
            }
            if holder.changed().await.is_err() {
                return;
            }
        }
    }
}

/// A caller's place in the queue; dropping it leaves.
pub(super) struct Place {
    queue: Arc<Queue>,
    key: Arc<str>,
    line: Line,
}

impl Place {
    /// The turn, if nobody has it or waits for it.
    pub(super) fn turn_now(self) -> Result<Turn, Place> {
        match self.permit_now() {
            Some(permit) => Ok(Turn { _permit: Some(permit), place: self }),
            None => Err(self),
        }
    }

    fn permit_now(&self) -> Option<OwnedSemaphorePermit> {
        let Line { front, turn, .. } = &self.line;
        let _front = front.try_acquire().ok()?;
        let permit = turn.clone().try_acquire_owned();
        match permit {
            Err(_) if self.line.is_stale() => turn.clone().try_acquire_owned().ok(),
            permit => permit.ok(),
        }
    }

    /// The turn, after all who came before, and when its holder has lost the lock at the latest. Dropped in mid-way
    /// the place is given up.
    pub(super) async fn turn(self) -> Turn {
        // Nobody closes them.
        let front = self.line.front.clone().acquire_owned().await.ok();
        let mut taken = pin!(self.line.turn.clone().acquire_owned());
        let permit = tokio::select! {
            biased;
            permit = &mut taken => permit,
            () = self.line.stale() => taken.await,
        };
        drop(front);
        Turn { _permit: permit.ok(), place: self }
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
    // Before the place: while somebody waits the line must stay.
    _permit: Option<OwnedSemaphorePermit>,
    place: Place,
}

impl Turn {
    /// Lets the next caller see when this one's lock is over.
    pub(super) fn held_by(&self, hold: &Arc<Hold>) {
        self.place.line.holder.send_replace(Arc::downgrade(hold));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Before the permit: whoever has the turn next is not taken for this holder.
        self.place.line.holder.send_replace(Weak::new());
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
