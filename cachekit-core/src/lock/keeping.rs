//! The task that keeps a lock for its guard: renews it, notices its loss, gives it back.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{
    errors::RELEASE,
    hold::{Hold, Loss},
    queue::Turn,
};
use crate::{
    error::{Error, ErrorKind},
    observe,
    sync::{Runtime, sleep},
};

/// What a task keeps: a quorum of servers, a connection, a row.
pub(super) trait Kept: Send + 'static {
    /// Asks for more time. It ends by itself, at the deadline at the latest.
    fn renew(&mut self, hold: &Hold) -> impl Future<Output = Renewal> + Send;

    /// Gives it back to others. It ends by itself.
    fn release(self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Lets it run out.
    fn leave(self) -> impl Future<Output = ()> + Send;
}

/// What came of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Held until then, by the hold's clock.
    Until(u64),
    /// Held no more.
    Lost(Loss),
    /// Nobody can tell: it is held until the deadline, and asked for again before.
    Unknown,
}

/// How a guard ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Release,
    Leave,
}

/// A lock that a task keeps. Dropping this releases it in the background.
#[derive(Debug)]
pub(super) struct Keeping {
    hold: Arc<Hold>,
    end: Option<oneshot::Sender<End>>,
    done: Option<oneshot::Receiver<Result<(), Error>>>,
}

impl Keeping {
    /// Starts the task. The turn in this process is given up when the lock is.
    pub(super) fn start(
        hold: Hold,
        kept: impl Kept,
        lease: Duration,
        turn: Option<Turn>,
    ) -> Keeping {
        let hold = Arc::new(hold);
        let (end, ended) = oneshot::channel();
        let (tell, done) = oneshot::channel();
        let keeper = Keeper { hold: hold.clone(), every: lease / 3, ended };
        Runtime::current().spawn(async move {
            let result = keeper.keep(kept).await;
            drop(turn);
            // Nobody waits for it where the guard was dropped.
            let _ = tell.send(result);
        });
        Keeping { hold, end: Some(end), done: Some(done) }
    }

    pub(super) fn hold(&self) -> &Arc<Hold> {
        &self.hold
    }

    /// Releases it, and says what came of it.
    pub(super) async fn release(mut self) -> Result<(), Error> {
        let held = self.hold.check();
        self.finish(End::Release);
        let Some(done) = self.done.take() else { return held };
        let gone = || Error::new(ErrorKind::Unavailable, RELEASE, "the runtime is shutting down");
        let result = done.await.unwrap_or_else(|_| Err(gone()));
        held.and(result)
    }

    pub(super) fn leave(mut self) {
        self.finish(End::Leave);
    }

    fn finish(&mut self, how: End) {
        let Some(end) = self.end.take() else { return };
        // The keeper is gone already if the lock was lost.
        let _ = end.send(how);
        let (template, held) = (self.hold.template().as_str(), self.hold.held_for());
        if self.hold.end() {
            observe::lock_held(template, held);
        } else if let Some(loss) = self.hold.loss() {
            observe::lock_lost(template, loss.as_str());
        }
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.finish(End::Release);
    }
}

struct Keeper {
    hold: Arc<Hold>,
    every: Duration,
    ended: oneshot::Receiver<End>,
}

impl Keeper {
    async fn keep<K: Kept>(mut self, mut kept: K) -> Result<(), Error> {
        match self.until_end(&mut kept).await {
            End::Release => kept.release().await,
            End::Leave => {
                kept.leave().await;
                Ok(())
            }
        }
    }

    async fn until_end<K: Kept>(&mut self, kept: &mut K) -> End {
        let mut pause = self.every;
        loop {
            tokio::select! {
                biased;
                end = &mut self.ended => return end.unwrap_or(End::Release),
                // What is lost is given back as well: it may still be there.
                _ = self.hold.lost() => return End::Release,
                () = sleep(pause) => {}
            }
            pause = self.every;
            let template = self.hold.template().as_str();
            match kept.renew(&self.hold).await {
                Renewal::Until(until_ms) => {
                    if self.hold.extend(until_ms) {
                        observe::lock_renewed(template, "renewed");
                    }
                }
                Renewal::Lost(loss) => drop(self.hold.lose(loss)),
                Renewal::Unknown => {
                    observe::lock_renewed(template, "failed");
                    pause = self.every / 8;
                }
            }
        }
    }
}
