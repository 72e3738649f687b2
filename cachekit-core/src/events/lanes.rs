//! Lanes: messages with the same key go through the same one, in order.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::patience::Stop;
use super::work::Worker;
use crate::redis::Entry;

/// A message on its way, and its place among those in hand.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) entry: Entry,
    /// It may have been delivered before.
    pub(super) again: bool,
    _place: OwnedSemaphorePermit,
}

/// Where messages go that were read.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    lanes: Arc<[mpsc::Sender<Job>]>,
    /// For messages that are read.
    places: Arc<Semaphore>,
    /// For messages that are taken over: a reader that waits has all the places of the others.
    spare: Arc<Semaphore>,
}

/// Leave to read so many messages.
#[derive(Debug)]
pub(super) struct Room(Vec<OwnedSemaphorePermit>);

impl Room {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Lanes {
    /// Starts `count` lanes that have `places` messages in hand at most, all together, and as many taken over.
    pub(super) fn start(
        worker: &Arc<Worker>,
        count: usize,
        places: usize,
        stop: &Stop,
        tasks: &mut JoinSet<()>,
    ) -> Lanes {
        let lanes = (0..count).map(|_| {
            let (lane, jobs) = mpsc::channel(2 * places);
            tasks.spawn(run(Arc::clone(worker), jobs, stop.clone()));
            lane
        });
        let semaphore = || Arc::new(Semaphore::new(places));
        Lanes { lanes: lanes.collect(), places: semaphore(), spare: semaphore() }
    }

    /// Waits for room for one message, and takes what there is up to `most`.
    pub(super) async fn room(&self, most: usize) -> Room {
        let first = Arc::clone(&self.places).acquire_owned().await;
        let mut room = Room(first.into_iter().collect());
        room.0.extend(at_once(&self.places).take(most.saturating_sub(1)));
        room
    }

    /// The room there is for messages that are taken over.
    pub(super) fn spare_room(&self) -> Room {
        Room(at_once(&self.spare).collect())
    }

    /// Hands in messages that there is room for.
    pub(super) fn hand_in(&self, worker: &Worker, entries: Vec<Entry>, room: Room, again: bool) {
        let claimed = Instant::now();
        for (entry, _place) in entries.into_iter().zip(room.0) {
            if !worker.in_hand.add(&entry.id, claimed) {
                continue;
            }
            let lane = self.lane_of(&entry);
            if let Err(error) = self.lanes[lane].try_send(Job { entry, again, _place }) {
                // A lane that has ended: the entry stays pending, for another consumer.
                worker.in_hand.remove(&error.into_inner().entry.id);
            }
        }
    }

    /// By the key; messages without one go where their id falls.
    fn lane_of(&self, entry: &Entry) -> usize {
        let key = entry.fields.as_ref().and_then(|fields| fields.bytes("key"));
        let mut hasher = FixedState::default().build_hasher();
        hasher.write(key.unwrap_or(entry.id.as_bytes()));
        let lanes = self.lanes.len() as u64;
        usize::try_from(hasher.finish() % lanes).unwrap_or(0)
    }
}

fn at_once(places: &Arc<Semaphore>) -> impl Iterator<Item = OwnedSemaphorePermit> {
    std::iter::from_fn(|| Arc::clone(places).try_acquire_owned().ok())
}

async fn run(worker: Arc<Worker>, mut jobs: mpsc::Receiver<Job>, mut stop: Stop) {
    while let Some(job) = next(&mut jobs, &mut stop).await {
        worker.settle(&job, &mut stop).await;
        worker.in_hand.remove(&job.entry.id);
    }
}

/// The next message; `None` when it is time to stop and none is left.
async fn next(jobs: &mut mpsc::Receiver<Job>, stop: &mut Stop) -> Option<Job> {
    tokio::select! {
        biased;
        job = jobs.recv() => job,
        () = stop.asked() => None,
    }
}
