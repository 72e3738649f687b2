//! The task that reads messages.

use std::sync::Arc;
use std::time::Duration;

use super::lanes::{Lanes, Room};
use super::patience::{Patience, Stop};
use super::work::Worker;
use crate::redis::{Entry, From, Group, StreamError};

/// Reads, on a connection that nothing else uses.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) group: Group,
    pub(super) worker: Arc<Worker>,
    pub(super) lanes: Lanes,
    pub(super) batch: usize,
    pub(super) block: Duration,
    /// A group that is made now begins with what comes after.
    pub(super) at_the_end: bool,
}

impl Reader {
    /// First what a consumer of this name has left behind, then what is new.
    pub(super) async fn run(mut self, mut stop: Stop) {
        let mut from = From::Pending("0".to_owned());
        let mut patience = Patience::default();
        while let Some(room) = self.room(&mut stop).await {
            match self.group.read(&from, room.len(), self.block).await {
                Ok(entries) if stop.is_asked() => return self.leave(entries).await,
                Ok(entries) => {
                    patience.worked();
                    self.worker.watch.read(None);
                    self.at_the_end = false;
                    from = self.hand_in(from, entries, room);
                }
                Err(StreamError::NoGroup) if self.create().await => from = From::Next,
                Err(error) => {
                    drop(room);
                    if let StreamError::Store(error) = error {
                        self.worker.watch.read(Some(error));
                    }
                    if !patience.wait(&self.group.stream, &mut stop).await {
                        return;
                    }
                }
            }
        }
    }

    async fn room(&self, stop: &mut Stop) -> Option<Room> {
        tokio::select! {
            biased;
            () = stop.asked() => None,
            room = self.lanes.room(self.batch) => Some(room),
        }
    }

    /// Hands the entries on and says from where to go on.
    fn hand_in(&self, from: From, entries: Vec<Entry>, room: Room) -> From {
        let next = match (&from, entries.last()) {
            (From::Pending(_), Some(last)) => From::Pending(last.id.clone()),
            _ => From::Next,
        };
        self.lanes.hand_in(&self.worker, entries, room, from != From::Next);
        next
    }

    /// They came when it was time to stop: others may have them at once.
    async fn leave(&self, entries: Vec<Entry>) {
        let group = &self.worker.group;
        for entry in entries {
            // If it cannot be told now, others find it idle later.
            let _ = group.release(&entry.id, self.worker.claim_idle).await;
        }
    }

    /// A group that was there and is gone, after a FLUSHALL say, begins with the first entry: nothing was seen of them.
    async fn create(&mut self) -> bool {
        let created = self.group.create(self.at_the_end).await.is_ok();
        self.at_the_end &= !created;
        created
    }
}
