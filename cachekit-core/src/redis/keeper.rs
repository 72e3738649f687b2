//! The task that extends held leases and gives up those that nobody will fill.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::lease::{Due, Leases};
use super::link::Link;
use super::names::Names;
use super::script::{self, Script};
use super::supervisor::Stop;
use crate::entry::Id;

/// Commands in one write.
const BATCH: usize = 256;

/// Leases waiting to be given up, while the link is down as well; one more is dropped, and runs out by itself.
const QUEUE: usize = 4096;

/// A lease, an entry or a mark, to be removed if it is still there.
#[derive(Clone)]
pub(super) struct GiveUp {
    key: Box<str>,
    id: Id,
    /// Whether it is the mark of the key.
    mark: bool,
}

/// Where give-ups are left: never blocks and needs no runtime, so `Drop` may call it.
#[derive(Debug)]
pub(super) struct GiveUps {
    queue: mpsc::Sender<GiveUp>,
    dropped: AtomicU64,
}

impl GiveUps {
    pub(super) fn new() -> (GiveUps, mpsc::Receiver<GiveUp>) {
        let (queue, items) = mpsc::channel(QUEUE);
        (GiveUps { queue, dropped: AtomicU64::new(0) }, items)
    }

    pub(super) fn push(&self, key: &str, id: Id) {
        self.send(GiveUp { key: key.into(), id, mark: false });
    }

    pub(super) fn push_mark(&self, key: &str, id: Id) {
        self.send(GiveUp { key: key.into(), id, mark: true });
    }

    fn send(&self, item: GiveUp) {
        if self.queue.try_send(item).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were dropped because the queue was full or closed.
    #[cfg(test)]
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

pub(super) struct Keeper {
    pub(super) link: Arc<Link>,
    pub(super) names: Arc<Names>,
    pub(super) leases: Arc<Leases>,
    pub(super) give_ups: mpsc::Receiver<GiveUp>,
    pub(super) lease_ttl: String,
}

impl Keeper {
    /// Works until the store is dropped, or until `stop` changes and all that was queued is sent.
    pub(super) async fn run(mut self, mut stop: Stop) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut changes = self.link.changes();
        let mut stopping = false;
        loop {
            tokio::select! {
                received = self.give_ups.recv_many(&mut batch, BATCH), if batch.is_empty() => {
                    if received == 0 {
                        return;
                    }
                    self.give_up(&mut batch).await;
                }
                // A lease whose grant was lost with the connection would hold its key until it runs out.
                _ = changes.changed(), if !batch.is_empty() => self.give_up(&mut batch).await,
                _ = stop.changed(), if !stopping => {
                    stopping = true;
                    self.give_ups.close();
                }
                () = self.leases.due() => self.extend().await,
            }
            if stopping {
                batch.clear();
            }
        }
    }

    /// Sends the batch, and keeps it when the link fails: another connection will send it.
    async fn give_up(&self, batch: &mut Vec<GiveUp>) {
        let ids = batch.iter().map(|item| [&item.id.0[..]]).collect::<Vec<_>>();
        let keys = batch.iter().map(|item| match item.mark {
            true => self.names.mark(&item.key),
            false => self.names.key(&item.key),
        });
        let calls = keys.zip(ids.iter().map(|id| &id[..])).collect::<Vec<_>>();
        // Whatever Redis says to each of them: a lease that stays runs out by itself.
        if script::CAS_DEL.run_all(&self.link, &calls).await.is_ok() {
            batch.clear();
        }
    }

    async fn extend(&self) {
        for batch in self.leases.take_due(Instant::now()).chunks(BATCH) {
            self.extend_batch(batch).await;
        }
    }

    async fn extend_batch(&self, batch: &[Due]) {
        let ttl = self.lease_ttl.as_bytes();
        let args = batch.iter().map(|due| [&due.id.0[..], ttl]).collect::<Vec<_>>();
        let keys = batch.iter().map(|due| self.names.key(&due.key));
        let calls = keys.zip(args.iter().map(|args| &args[..])).collect::<Vec<_>>();
        let script: &Script = &script::EXTEND;
        let replies = match script.run_all(&self.link, &calls).await {
            Ok(replies) => replies,
            Err(error) => vec![Err(error); batch.len()],
        };
        let now = Instant::now();
        for (due, reply) in batch.iter().zip(replies) {
            match reply {
                Ok(0) => self.leases.forget(due.token),
                Ok(_) => {}
                Err(_) => self.leases.retry(due.token, now),
            }
        }
    }
}
