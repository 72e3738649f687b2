//! What is done with one message: handle it, try again, give it up.

use std::sync::Arc;
use std::time::Duration;

use super::dead::Grave;
use super::handler::{Failure, Handler};
use super::in_hand::InHand;
use super::lag::{Lag, Watch};
use super::lanes::Job;
use super::patience::{Patience, Stop};
use crate::redis::{Backlog, Fields, Group, StoreError, StreamError};
use crate::retry::{RetryPolicy, Tries};

/// What the lanes of a consumer share.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) group: Group,
    pub(super) group_name: String,
    pub(super) handler: Handler,
    pub(super) in_hand: InHand,
    pub(super) grave: Grave,
    pub(super) watch: Watch,
    pub(super) policy: RetryPolicy,
    pub(super) max_deliveries: u64,
    pub(super) claim_idle: Duration,
}

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Handled,
    /// It is given up.
    Dead(String),
    /// Somebody else is to have it.
    Left,
}

impl Worker {
    /// How far the group is behind.
    pub(super) async fn lag(&self) -> Result<Lag, StoreError> {
        let backlog = match self.group.backlog().await {
            Ok(backlog) => backlog,
            Err(StreamError::NoGroup) => Backlog::default(),
            Err(StreamError::Store(error)) => return Err(error),
        };
        let Backlog { pending, waiting, oldest } = backlog;
        Ok(Lag { pending, waiting, oldest, dead: self.grave.dead.len().await? })
    }

    /// Deals with the message to its end, or leaves it to others when it is time to stop.
    pub(super) async fn settle(&self, job: &Job, stop: &mut Stop) {
        match self.judge(job, stop).await {
            Verdict::Handled => self.ack(job, stop).await,
            Verdict::Dead(reason) => self.bury(job, &reason, stop).await,
            // If it cannot be told now, others find it idle later.
            Verdict::Left => drop(self.group.release(&job.entry.id, self.claim_idle).await),
        }
    }

    async fn judge(&self, job: &Job, stop: &mut Stop) -> Verdict {
        if stop.is_asked() {
            return Verdict::Left;
        }
        // An entry that was trimmed while it was pending: nothing is left to handle.
        let Some(fields) = &job.entry.fields else { return Verdict::Handled };
        if fields.text("for").is_some_and(|group| group != self.group_name) {
            return Verdict::Handled;
        }
        if job.again && self.came_too_often(job, stop).await {
            return Verdict::Dead(format!(
                "it was delivered more than {} times and never settled",
                self.max_deliveries
            ));
        }
        self.handle(Arc::new(fields.clone()), stop).await
    }

    async fn handle(&self, fields: Arc<Fields>, stop: &mut Stop) -> Verdict {
        let (mut tries, mut attempt) = (Tries::begin(self.policy), 0);
        loop {
            attempt += 1;
            let again = match self.handler.call(Arc::clone(&fields), attempt).await {
                Ok(()) => return Verdict::Handled,
                Err(Failure::Undecodable(reason)) => return Verdict::Dead(reason),
                Err(Failure::Away(reason)) => {
                    self.watch.failed(&reason);
                    stop.sleep(self.policy.pause(attempt)).await
                }
                Err(Failure::Failed(reason)) => {
                    self.watch.failed(&reason);
                    tokio::select! {
                        biased;
                        () = stop.asked() => false,
                        again = tries.pause() => match again {
                            true => true,
                            false => return Verdict::Dead(reason),
                        },
                    }
                }
            };
            if !again {
                return Verdict::Left;
            }
        }
    }

    /// A message that ends its consumer comes back for ever, and never as an error.
    async fn came_too_often(&self, job: &Job, stop: &mut Stop) -> bool {
        let mut patience = Patience::default();
        loop {
            match self.group.deliveries(&job.entry.id).await {
                Ok(deliveries) => return deliveries > self.max_deliveries,
                Err(StreamError::NoGroup) => return false,
                Err(StreamError::Store(_)) => {}
            }
            if !patience.wait(&self.group.stream, stop).await {
                return false;
            }
        }
    }

    async fn bury(&self, job: &Job, reason: &str, stop: &mut Stop) {
        let fields = job.entry.fields.clone().unwrap_or_default();
        let mut patience = Patience::default();
        while let Err(error) = self.grave.bury(&job.entry.id, &fields, reason).await {
            tracing::warn!(?error, "a dead letter could not be put aside yet");
            if !patience.wait(&self.group.stream, stop).await {
                return;
            }
        }
        self.watch.buried(&job.entry.id);
        self.ack(job, stop).await;
    }

    /// Until Redis has taken it, or it is time to stop: then the message is delivered once more.
    async fn ack(&self, job: &Job, stop: &mut Stop) {
        let mut patience = Patience::default();
        while self.group.ack(&job.entry.id).await.is_err() {
            if !patience.wait(&self.group.stream, stop).await {
                return;
            }
        }
        self.watch.settled();
    }
}
