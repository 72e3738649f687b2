//! The one task of a cache that renews its locks, and releases those whose holders did not wait for it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::{
    held::{Due, Held, MOST_HELD},
    hold::Loss,
    lease::Claim,
    queue::Turn,
};
use crate::{
    observe,
    redis::{LockDue, LockFound, LockKeys, RedisStore, Refusal, StoreError},
    retry::doubled,
    sync::{Instant, Mutex, lock, now, sleep},
};

/// Releases that wait to be sent: of all that can be held, and of as many more that were being asked for. One more is
/// dropped, and its lock runs out by itself.
const QUEUE: usize = 2 * MOST_HELD;

/// Locks that are released in one write.
const BATCH: usize = 256;

/// Releases that got no answer; beyond this the oldest are left to run out.
const MOST_RETRIED: usize = 4096;

const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(2);

/// Where locks are handed to the task. Nothing here blocks or needs a runtime, so `Drop` may call it.
#[derive(Debug)]
pub(super) struct Keeper {
    queue: mpsc::Sender<Work>,
    pub(super) held: Arc<Held>,
    /// Until the task runs.
    idle: Mutex<Option<Worker>>,
}

#[derive(Debug)]
enum Work {
    Release(Release),
    Leave(Arc<LockKeys>, String),
    Settle(oneshot::Sender<()>),
}

/// A lock to be released.
#[derive(Debug)]
struct Release {
    claim: Claim,
    /// Passed on after the first try.
    turn: Option<Turn>,
    tries: u32,
    again: Instant,
    /// It has run out by then.
    over: Instant,
}

impl Keeper {
    pub(super) fn new(store: RedisStore) -> Keeper {
        let (queue, work) = mpsc::channel(QUEUE);
        let held = Arc::<Held>::default();
        let (retries, settled) = (VecDeque::new(), Vec::new());
        let worker = Worker { store, held: held.clone(), work, retries, settled };
        Keeper { queue, held, idle: Mutex::new(Some(worker)) }
    }

    /// Sees to it that the task runs; it ends when all is released and nobody can hold anything any more.
    pub(super) fn start(&self) {
        if let Some(worker) = lock(&self.idle).take() {
            tokio::spawn(worker.run());
        }
    }

    /// Releases a lock some time soon, and passes the turn on after the first try.
    pub(super) fn release(&self, claim: Claim, turn: Option<Turn>) {
        let now = now();
        // It was renewed before now, if ever.
        let over = now + claim.lease;
        let release = Release { claim, turn, tries: 0, again: now, over };
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Work::Release(release)) {
            tracing::warn!("too many locks are to be released; one runs out by itself");
        }
    }

    /// Leaves the line some time soon.
    pub(super) fn leave(&self, keys: Arc<LockKeys>, waiter: String) {
        let _ = self.queue.try_send(Work::Leave(keys, waiter));
    }

    /// Resolves when all that was to be released before is, or has run out.
    pub(super) async fn settle(&self) {
        if lock(&self.idle).is_some() {
            return;
        }
        let (settled, done) = oneshot::channel();
        if self.queue.send(Work::Settle(settled)).await.is_ok() {
            let _ = done.await;
        }
    }
}

#[derive(Debug)]
struct Worker {
    store: RedisStore,
    held: Arc<Held>,
    work: mpsc::Receiver<Work>,
    /// In the order in which they first failed.
    retries: VecDeque<Release>,
    settled: Vec<oneshot::Sender<()>>,
}

impl Worker {
    async fn run(mut self) {
        let held = self.held.clone();
        let mut changes = self.store.changes();
        let (mut open, mut batch) = (true, Vec::with_capacity(BATCH));
        while open || !self.retries.is_empty() {
            let again = self.retries.iter().map(|release| release.again).min();
            let pause = again.map(|at| at.saturating_duration_since(now()));
            tokio::select! {
                biased;
                () = held.due() => self.renew().await,
                taken = self.work.recv_many(&mut batch, BATCH), if open => match taken {
                    0 => open = false,
                    _ => self.take(&mut batch).await,
                },
                // Another connection may get through.
                _ = changes.changed(), if pause.is_some() => self.hurry(),
                () = sleep(pause.unwrap_or_default()), if pause.is_some() => self.retry().await,
            }
            if self.retries.is_empty() {
                for settled in self.settled.drain(..) {
                    // Nobody may wait for it any more.
                    let _ = settled.send(());
                }
            }
        }
    }

    async fn take(&mut self, batch: &mut Vec<Work>) {
        let mut releases = Vec::with_capacity(batch.len());
        let mut leaves = Vec::new();
        for work in batch.drain(..) {
            match work {
                Work::Release(release) => releases.push(release),
                Work::Leave(keys, waiter) => leaves.push((keys, waiter)),
                Work::Settle(settled) => self.settled.push(settled),
            }
        }
        self.release(releases).await;
        // One that cannot be sent now is not worth another try: it is dead after two beats.
        let leaves =
            leaves.iter().map(|(keys, waiter): &(Arc<LockKeys>, String)| (&**keys, &**waiter));
        self.store.lock_leave_all(&leaves.collect::<Vec<_>>()).await;
    }

    async fn release(&mut self, releases: Vec<Release>) {
        let asks = releases.iter().map(|Release { claim, .. }| (&*claim.keys, &*claim.token));
        let answers = self.store.lock_release_all(&asks.collect::<Vec<_>>()).await;
        for (release, answer) in releases.into_iter().zip(answers) {
            self.released(release, answer);
        }
    }

    /// Passes the turn on, and notes what must be tried again.
    fn released(&mut self, mut release: Release, answer: Result<LockFound, StoreError>) {
        let through = match answer {
            Ok(LockFound::Own { .. }) => true,
            Ok(LockFound::Gone | LockFound::Foreign) => !release.claim.unsure,
            Err(_) => {
                release.claim.unsure |= !release.claim.granted;
                false
            }
        };
        if let (Some(turn), Ok(LockFound::Own { woken })) = (release.turn.take(), answer) {
            turn.note_release(woken);
        }
        release.tries += 1;
        release.again = now() + doubled(RETRY_FIRST, release.tries - 1, RETRY_MOST);
        if !through && release.again < release.over {
            if self.retries.len() == MOST_RETRIED {
                self.retries.pop_front();
            }
            self.retries.push_back(release);
        }
    }

    async fn retry(&mut self) {
        let now = now();
        let (due, later): (Vec<_>, Vec<_>) =
            self.retries.drain(..).partition(|release| release.again <= now);
        self.retries = later.into();
        self.release(due).await;
    }

    fn hurry(&mut self) {
        if self.store.is_up() {
            let now = now();
            self.retries.iter_mut().for_each(|release| release.again = now);
        }
    }

    /// Renews all that is due in one write.
    async fn renew(&self) {
        let mut due = self.held.take_due();
        due.retain(|due| due.hold.is_held() || self.lost(due));
        let asks: Vec<_> = due.iter().map(ask).collect();
        let answers = self.store.lock_extend(&asks).await;
        for (due, answer) in due.iter().zip(answers) {
            self.renewed(due, answer);
        }
    }

    fn renewed(&self, due: &Due, answer: Result<LockFound, StoreError>) {
        let template = due.hold.template().as_str();
        let loss = match answer {
            Ok(LockFound::Own { .. }) if due.hold.extend(due.until_ms()) => {
                return observe::lock_renewed(template, "renewed");
            }
            Ok(LockFound::Own { .. }) => None,
            Ok(LockFound::Gone) => Some(Loss::Deleted),
            Ok(LockFound::Foreign) | Err(StoreError::Refused(Refusal::WrongType)) => {
                Some(Loss::Taken)
            }
            Err(_) => {
                observe::lock_renewed(template, "failed");
                return self.held.retry(due.number);
            }
        };
        if let Some(loss) = loss {
            due.hold.lose(loss);
        }
        self.lost(due);
    }

    /// Renews a lock no more that is not held.
    fn lost(&self, due: &Due) -> bool {
        if self.held.remove(due.number)
            && let Some(loss) = due.hold.loss()
        {
            observe::lock_lost(due.hold.template().as_str(), loss.as_str());
        }
        false
    }
}

fn ask(due: &Due) -> LockDue<'_> {
    let Claim { keys, token, lease, .. } = &due.claim;
    LockDue { keys, token, lease: *lease }
}
