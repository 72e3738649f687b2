//! The task that keeps the link: connects, notices a stall or a loss, rests, connects again.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant as RealInstant};

use redis::Cmd;
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};

use super::backoff::Backoff;
use super::connect::{Connector, Driver, Fault, Fresh};
use super::link::{Link, Session};
use super::node::Node;
use super::tracking::Sink;
use crate::Error;

/// How often a busy link is asked for a sign of life.
const TICK: Duration = Duration::from_millis(50);

/// A timer that fires this late says that this process was stalled, and nothing about Redis.
const OVERSLEPT: Duration = Duration::from_millis(20);

/// Keeps one link; dropping it takes the link down.
#[derive(Debug)]
pub(super) struct Supervisor {
    link: Arc<Link>,
    connector: Connector,
    response_timeout: Duration,
    journal: Journal,
    backoff: Backoff,
    /// Whoever keeps copies of what comes over this link.
    copies: Option<Arc<dyn Sink>>,
}

/// What a link is for, as its log lines say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Entries of a cache.
    Cache,
    /// Streams of events.
    #[cfg(feature = "events")]
    Streams,
    /// Votes on locks, one of several servers.
    Votes,
}

/// A published connection.
#[derive(Debug)]
pub(super) struct Running {
    session: Arc<Session>,
    driver: Driver,
}

/// Changes when the store shuts down; its sender is gone when the store is dropped.
pub(super) type Stop = watch::Receiver<bool>;

/// Why a connection is not used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stop,
    Broken,
    Stalled,
    Demoted,
}

impl End {
    fn reason(self) -> &'static str {
        match self {
            End::Stop => "the store shuts down",
            End::Broken => "the connection broke",
            End::Stalled => "commands stayed unanswered for longer than the response time-out",
            End::Demoted => "the server became read-only",
        }
    }
}

impl Supervisor {
    pub(super) fn new(
        link: Arc<Link>,
        connector: Connector,
        response_timeout: Duration,
        purpose: Purpose,
    ) -> Supervisor {
        let (journal, backoff) = (Journal::new(purpose), Backoff::default());
        Supervisor { link, connector, response_timeout, journal, backoff, copies: None }
    }

    /// Tells `sink` of each server before anything comes from it.
    pub(super) fn announce_to(&mut self, sink: Arc<dyn Sink>) {
        self.copies = Some(sink);
    }

    /// The first attempt, made by whoever builds the store: only a permanent fault is an error.
    pub(super) async fn first(&mut self) -> Result<Option<Running>, Error> {
        match self.connector.open().await {
            Ok(fresh) => Ok(Some(self.publish(fresh))),
            Err(Fault::Permanent(error)) => Err(error),
            Err(Fault::Transient(reason)) => {
                self.journal.down(&self.connector, &reason);
                Ok(None)
            }
        }
    }

    /// Keeps the link until `stop` changes.
    pub(super) async fn run(mut self, mut running: Option<Running>, mut stop: Stop) {
        loop {
            let end = match running.take() {
                Some(running) => self.serve(running, &mut stop).await,
                None => End::Broken,
            };
            let pause = match end {
                End::Stop => return,
                End::Stalled => self.backoff.after_stall(),
                End::Broken | End::Demoted => self.backoff.after_loss(),
            };
            running = tokio::select! {
                biased;
                _ = stop.changed() => return,
                running = self.reconnect(pause) => running,
            };
        }
    }

    fn publish(&mut self, fresh: Fresh) -> Running {
        self.backoff.connected();
        self.journal.up(&self.connector, &fresh.node);
        if let Some(sink) = &self.copies {
            sink.primary(&fresh.node.lineage());
        }
        let session = Arc::new(Session::new(fresh.connection, &fresh.node));
        self.link.publish(Arc::clone(&session));
        Running { session, driver: fresh.driver }
    }

    /// Serves one connection to its end, and withdraws it before anything else happens.
    async fn serve(&mut self, mut running: Running, stop: &mut Stop) -> End {
        let end = self.watch(&mut running, stop).await;
        self.link.withdraw();
        let Running { session, driver } = running;
        match end {
            End::Stalled => session.mark_stalled(),
            // Answers come in order: after this one nobody waits any more.
            End::Stop | End::Demoted => {
                answers(session.connection(), self.response_timeout).await;
            }
            End::Broken => {}
        }
        driver.end().await;
        if end != End::Stop {
            self.journal.down(&self.connector, end.reason());
        }
        end
    }

    async fn watch(&self, Running { session, driver }: &mut Running, stop: &mut Stop) -> End {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => return End::Stop,
                () = driver.broken() => return End::Broken,
                () = session.demoted() => return End::Demoted,
                _ = tick.tick() => {}
            }
            if session.is_busy() && !answers(session.connection(), self.response_timeout).await {
                return End::Stalled;
            }
        }
    }

    async fn reconnect(&mut self, pause: Duration) -> Option<Running> {
        sleep(pause).await;
        let reason = match self.connector.open().await {
            Ok(fresh) if self.is_quick(&fresh).await => return Some(self.publish(fresh)),
            Ok(fresh) => {
                fresh.driver.end().await;
                "the server answers too slowly".to_owned()
            }
            Err(Fault::Permanent(error)) => error.message().to_owned(),
            Err(Fault::Transient(reason)) => reason,
        };
        self.journal.down(&self.connector, &reason);
        None
    }

    /// After a stall a connection counts only when it answers in half the time that a stall takes.
    async fn is_quick(&self, fresh: &Fresh) -> bool {
        !self.backoff.on_probation()
            || answers(fresh.connection.clone(), self.response_timeout / 2).await
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.link.withdraw();
    }
}

/// Whether everything sent before this call is answered within `limit`: answers come in order, so one PING
/// bounds all that went before it. A connection that breaks counts as an answer.
async fn answers(mut connection: MultiplexedConnection, limit: Duration) -> bool {
    let mut command = Cmd::with_capacity(1, 4);
    command.arg("PING");
    let mut reply = pin!(connection.send_packed_command(&command));
    let sent = RealInstant::now();
    let mut deadline = Instant::now() + limit;
    while timeout_at(deadline, &mut reply).await.is_err() {
        let elapsed = sent.elapsed();
        let overslept = deadline.elapsed() > OVERSLEPT;
        // The clock of a test may be ahead of real time, and a blocked runtime reads no answers.
        if elapsed >= limit && !overslept {
            return false;
        }
        deadline = Instant::now() + limit / 2;
    }
    true
}

/// Says what an operator must know, and says it once.
#[derive(Debug)]
struct Journal {
    purpose: Purpose,
    down_because: Option<String>,
    advised: bool,
}

impl Journal {
    fn new(purpose: Purpose) -> Journal {
        Journal { purpose, down_because: None, advised: false }
    }

    fn up(&mut self, connector: &Connector, node: &Node) {
        let redis = connector.target();
        if self.down_because.take().is_some() {
            tracing::info!(%redis, "the Redis link is up");
        }
        if std::mem::replace(&mut self.advised, true) {
            return;
        }
        match self.purpose {
            Purpose::Cache => {
                let advice = node.advice();
                if !advice.is_empty() {
                    tracing::warn!(%redis, "this Redis is risky as a cache: {}", advice.join("; "));
                }
            }
            #[cfg(feature = "events")]
            Purpose::Streams => {
                if let Some(advice) = node.forgets() {
                    tracing::warn!(%redis, "this Redis is risky for streams: {advice}");
                }
            }
            Purpose::Votes => {
                for advice in node.forgets_votes() {
                    tracing::warn!(%redis, "this Redis may forget who has a lock: {advice}");
                }
            }
        }
    }

    fn down(&mut self, connector: &Connector, reason: &str) {
        if self.down_because.as_deref() != Some(reason) {
            let redis = connector.target();
            let meanwhile = match self.purpose {
                Purpose::Cache => "reads go to their source",
                #[cfg(feature = "events")]
                Purpose::Streams => "events wait",
                Purpose::Votes => "the other servers vote on locks",
            };
            tracing::warn!(%redis, reason, "the Redis link is down; {meanwhile}");
            self.down_because = Some(reason.to_owned());
        }
    }
}
