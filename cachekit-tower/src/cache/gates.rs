//! Who is after which response in this process, and which responses nobody may wait for.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cachekit_core::{Cache, Fence};
use tokio::{sync::watch, time::Instant};

use super::driven::Driving;

/// A request's identity, short.
pub(crate) type Digest = [u8; 16];

/// How long a run that could go on may be left alone.
const PATIENCE: Duration = Duration::from_millis(50);
/// How often those look after it who are not the deputy: that one may be unpolled as well.
const GLANCE: Duration = Duration::from_secs(1);

/// So many responses are known to be for one reader each; of more the oldest are forgotten.
const MOST_MARKERS: usize = 4096;

/// All requests of a layer that want something shared.
#[derive(Debug)]
pub(crate) struct Gates {
    open: Mutex<HashMap<Digest, Arc<Gate>>>,
    markers: Mutex<HashMap<Digest, Marker>>,
    /// How many there are, so that hits take no lock while there are none.
    marker_count: AtomicUsize,
    marked_for: Duration,
}

/// That a response is for one reader each.
#[derive(Debug)]
struct Marker {
    until: Instant,
    /// Around its groups, of which an invalidation may make it another response. None while nobody can tell.
    fence: Option<Arc<Fence>>,
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
        let (open, markers, marker_count) =
            (Mutex::default(), Mutex::default(), AtomicUsize::new(0));
        Arc::new(Self { open, markers, marker_count, marked_for })
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

    /// Whether [`is_marked`](Self::is_marked) may say so.
    pub(crate) fn may_be_marked(&self, digest: &Digest) -> bool {
        self.marker_count.load(Ordering::Acquire) > 0 && lock(&self.markers).contains_key(digest)
    }

    /// Whether the response is known to be for one reader each, and no group of it was invalidated since.
    pub(crate) async fn is_marked(&self, digest: &Digest, cache: &Cache) -> bool {
        let fence = match self.marker(digest) {
            None => return false,
            Some(None) => return true,
            Some(Some(fence)) => fence,
        };
        let holds = cache.verify(&fence).await;
        if !holds {
            // Another run may have marked it anew.
            let is_same =
                |marker: &Marker| marker.fence.as_ref().is_some_and(|own| Arc::ptr_eq(own, &fence));
            let mut markers = lock(&self.markers);
            if markers.get(digest).is_some_and(is_same) {
                self.remove(&mut markers, digest);
            }
        }
        holds
    }

    /// The fence of a marker whose time has not come.
    fn marker(&self, digest: &Digest) -> Option<Option<Arc<Fence>>> {
        let mut markers = lock(&self.markers);
        let marker = markers.get(digest)?;
        if Instant::now() < marker.until {
            return Some(marker.fence.clone());
        }
        self.remove(&mut markers, digest);
        None
    }

    fn mark(&self, digest: Digest) {
        let now = Instant::now();
        let until = now + self.marked_for;
        let mut markers = lock(&self.markers);
        if let Some(marker) = markers.get_mut(&digest) {
            marker.until = until;
            return;
        }
        if markers.len() >= MOST_MARKERS {
            markers.retain(|_, marker| now < marker.until);
        }
        if markers.len() >= MOST_MARKERS
            && let Some(oldest) =
                markers.iter().min_by_key(|(_, marker)| marker.until).map(|(key, _)| *key)
        {
            markers.remove(&oldest);
        }
        markers.insert(digest, Marker { until, fence: None });
        self.marker_count.store(markers.len(), Ordering::Release);
    }

    /// Whether there is a marker that no invalidation would remove.
    pub(crate) fn lacks_fence(&self, digest: &Digest) -> bool {
        lock(&self.markers).get(digest).is_some_and(|marker| marker.fence.is_none())
    }

    /// Ties a marker to its groups.
    pub(crate) fn fence(&self, digest: &Digest, fence: Fence) {
        let fence = fence.is_known().then(|| Arc::new(fence));
        if let Some(marker) = lock(&self.markers).get_mut(digest) {
            marker.fence = fence;
        }
    }

    /// It is shared after all.
    pub(crate) fn unmark(&self, digest: &Digest) {
        if self.may_be_marked(digest) {
            self.remove(&mut lock(&self.markers), digest);
        }
    }

    fn remove(&self, markers: &mut HashMap<Digest, Marker>, digest: &Digest) {
        markers.remove(digest);
        self.marker_count.store(markers.len(), Ordering::Release);
    }

    #[cfg(test)]
    fn counts(&self) -> (usize, usize) {
        (lock(&self.open).len(), lock(&self.markers).len())
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
        self.gates.mark(self.digest);
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
        assert!(gates.marker(&A).is_some());
        let late = gates.sit(A);
        assert!(tokio::time::timeout(Duration::from_secs(1), late.released()).await.is_err());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(gates.marker(&A).is_none());
        drop((first, second, late));
        assert_eq!(gates.counts(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn markers_are_bounded() {
        let gates = Gates::new(Duration::from_secs(10));
        for number in 0..MOST_MARKERS + 10 {
            tokio::time::advance(Duration::from_nanos(1_000)).await;
            gates.mark((number as u128).to_be_bytes());
        }
        assert_eq!(gates.counts().1, MOST_MARKERS);
        assert!(gates.marker(&0_u128.to_be_bytes()).is_none());
        assert!(gates.marker(&(MOST_MARKERS as u128).to_be_bytes()).is_some());
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
