//! Who is after which response in this process.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{driven::Driving, markers::Markers};

/// A request's identity, short.
pub(crate) type Digest = [u8; 16];

/// How long a run that could go on may be left alone.
const PATIENCE: Duration = Duration::from_millis(50);
/// How often those look after it who are not the deputy: that one may be unpolled as well.
const GLANCE: Duration = Duration::from_secs(1);

/// All requests of a layer that want something shared.
#[derive(Debug)]
pub(crate) struct Gates {
    open: Mutex<HashMap<Digest, Arc<Gate>>>,
    pub(crate) markers: Markers,
}

/// Those requests of one identity.
#[derive(Debug)]
struct Gate {
    members: watch::Sender<usize>,
    /// How often they were told that there is nothing to be shared.
    released: watch::Sender<u64>,
    failures: AtomicU32,
    /// The run that the others wait for.
    driving: Mutex<Weak<Driving>>,
    /// Somebody looks after it closely.
    has_deputy: AtomicBool,
}

/// A place among those who want one response. Dropping it leaves it.
#[derive(Debug)]
pub(crate) struct Seat {
    gates: Arc<Gates>,
    digest: Digest,
    gate: Arc<Gate>,
    released_before: u64,
    failures_before: u32,
}

impl Gates {
    /// `marked_for`: how long it is remembered that a response is not to be shared.
    pub(crate) fn new(marked_for: Duration) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), markers: Markers::new(marked_for) })
    }

    pub(crate) fn sit(self: &Arc<Self>, digest: Digest) -> Seat {
        let mut open = lock(&self.open);
        let gate = open.entry(digest).or_insert_with(|| Arc::new(Gate::new())).clone();
        gate.members.send_modify(|members| *members += 1);
        drop(open);
        let released_before = *gate.released.borrow();
        let failures_before = gate.failures.load(Ordering::Acquire);
        Seat { gates: self.clone(), digest, gate, released_before, failures_before }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        lock(&self.open).len()
    }
}

impl Gate {
    fn new() -> Self {
        Self {
            members: watch::Sender::new(0),
            released: watch::Sender::new(0),
            failures: AtomicU32::new(0),
            driving: Mutex::default(),
            has_deputy: AtomicBool::new(false),
        }
    }
}

impl Seat {
    /// What a run brought is its reader's alone: nobody waits any more, nor will for a while.
    pub(crate) fn release_all(&self) {
        self.gates.markers.mark(self.digest);
        self.release_waiting();
    }

    /// Nobody who waits now waits any longer.
    pub(crate) fn release_waiting(&self) {
        self.gate.released.send_modify(|times| *times += 1);
    }

    /// Resolves when all are released.
    pub(crate) async fn released(&self) {
        let before = self.released_before;
        // An error means that the gate is gone, which this seat keeps.
        let mut released = self.gate.released.subscribe();
        let _gate = released.wait_for(|times| *times > before).await;
    }

    /// Others wait for what this one runs.
    pub(crate) fn drives(&self, driving: &Arc<Driving>) {
        let earlier = std::mem::replace(&mut *lock(&self.gate.driving), Arc::downgrade(driving));
        drop(earlier);
    }

    /// Sees to it that the run of another one goes on, though that one's caller may not come back to it. Never ends.
    pub(crate) async fn stand_by(&self, runs_itself: impl Fn() -> bool) {
        let mut deputy = None;
        let mut seen = None;
        while !runs_itself() {
            deputy = deputy.or_else(|| Deputy::of(&self.gate));
            tokio::time::sleep(if deputy.is_some() { PATIENCE } else { GLANCE }).await;
            let driving = lock(&self.gate.driving).upgrade();
            let unpolled = driving.as_ref().and_then(|driving| driving.unpolled());
            match driving {
                Some(driving) if unpolled.is_some() && unpolled == seen => driving.go_on(),
                _ => seen = unpolled,
            }
        }
        drop(deputy);
        std::future::pending().await
    }

    /// A run failed without an answer that others could be given.
    pub(crate) fn failed(&self) {
        self.gate.failures.fetch_add(1, Ordering::AcqRel);
    }

    /// How many failed since this one sat down.
    pub(crate) fn failures(&self) -> u32 {
        self.gate.failures.load(Ordering::Acquire).wrapping_sub(self.failures_before)
    }

    /// Whether there are others.
    pub(crate) fn has_company(&self) -> bool {
        *self.gate.members.borrow() > 1
    }

    /// Resolves when this is the only one left.
    pub(crate) async fn alone(&self) {
        let mut members = self.gate.members.subscribe();
        let _gate = members.wait_for(|members| *members <= 1).await;
    }
}

/// Who looks after a run closely. Another one may when it is dropped.
struct Deputy<'a>(&'a Gate);

impl<'a> Deputy<'a> {
    fn of(gate: &'a Gate) -> Option<Self> {
        let had_one = gate.has_deputy.swap(true, Ordering::AcqRel);
        (!had_one).then_some(Self(gate))
    }
}

impl Drop for Deputy<'_> {
    fn drop(&mut self) {
        self.0.has_deputy.store(false, Ordering::Release);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = lock(&self.gates.open);
        self.gate.members.send_modify(|members| *members -= 1);
        if *self.gate.members.borrow() == 0 {
            open.remove(&self.digest);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Digest = [1; 16];

    #[tokio::test(start_paused = true)]
    async fn a_release_reaches_those_who_sit_and_marks_for_those_who_come() {
        let gates = Gates::new(Duration::from_secs(10));
        let (first, second) = (gates.sit(A), gates.sit(A));
        assert!(first.has_company());
        first.release_all();
        second.released().await;
        assert!(gates.markers.may_mark(&A));
        let late = gates.sit(A);
        assert!(tokio::time::timeout(Duration::from_secs(1), late.released()).await.is_err());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!gates.markers.may_mark(&A));
        drop((first, second, late));
        assert_eq!(gates.len(), 0);
    }

    #[tokio::test]
    async fn who_is_left_alone_is_told() {
        let gates = Gates::new(Duration::from_secs(10));
        let (first, second) = (gates.sit(A), gates.sit(A));
        second.failed();
        assert_eq!((first.failures(), gates.sit(A).failures()), (1, 0));
        drop(second);
        first.alone().await;
        assert!(!first.has_company());
    }
}
