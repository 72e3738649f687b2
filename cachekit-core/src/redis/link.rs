//! The link: one connection, published while it is up, watched and replaced by one supervisor task.
//!
//! ```text
//! connecting → up → (broken | stalled | demoted) → resting → connecting
//! ```

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::convoy::{Carrier, Convoys, Passenger};
use super::exchange::{Exchange, Exchanges};
use super::node::Node;
use super::reply::{self, Reply, StoreError};
use crate::entry::{Id, IdSource};

/// With fewer commands than this on their way a read goes alone: company would bring it no sooner.
const FEW: usize = 8;

/// What commands see of the link.
#[derive(Debug)]
pub(super) struct Link {
    session: ArcSwapOption<Session>,
    up: AtomicBool,
    changes: watch::Sender<u64>,
    changed: Mutex<Instant>,
}

/// One connection while it is published.
#[derive(Debug)]
pub(super) struct Session {
    connection: MultiplexedConnection,
    exchanges: Exchanges,
    convoys: Convoys,
    runtime: Handle,
    ids: IdSource,
    #[cfg(feature = "bloom")]
    incarnation: Option<super::Incarnation>,
    in_flight: AtomicUsize,
    stalled: AtomicBool,
    demoted: Notify,
}

impl Link {
    pub(super) fn new() -> Link {
        Link {
            session: ArcSwapOption::empty(),
            up: AtomicBool::new(false),
            changes: watch::Sender::new(0),
            changed: Mutex::new(Instant::now()),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    pub(super) fn fresh_id(&self) -> Option<Id> {
        self.session.load().as_ref().map(|session| session.ids.next())
    }

    /// Counts every change between up and down.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Sends one command. The reply may be a server error: [`reply`] takes it apart.
    pub(super) fn send(&self, command: Cmd) -> Sending {
        Sending::begin(self.session().ok(), false, |exchange| exchange.begin(command))
    }

    /// Sends a short command that `write` puts together, in buffers of an earlier one.
    pub(super) fn send_short(&self, write: impl FnOnce(&mut Cmd)) -> Sending {
        Sending::begin(self.session().ok(), true, |exchange| exchange.begin_with(write))
    }

    /// Sends a short command that leaves nothing behind: where much is under way, together with others of this turn.
    pub(super) fn send_read(&self, write: impl FnOnce(&mut Cmd)) -> Sending {
        match self.session() {
            Ok(session) if session.in_flight.load(Ordering::Relaxed) >= FEW => {
                Sending::together(session, write)
            }
            session => Sending::begin(session.ok(), true, |exchange| exchange.begin_with(write)),
        }
    }

    /// Sends two short commands over one connection, in this order.
    pub(super) fn send_both(
        &self,
        first: impl FnOnce(&mut Cmd),
        second: impl FnOnce(&mut Cmd),
    ) -> (Sending, Sending) {
        let session = self.session().ok();
        let one = Sending::begin(session.clone(), true, |exchange| exchange.begin_with(first));
        (one, Sending::begin(session, true, |exchange| exchange.begin_with(second)))
    }

    /// Sends commands in one write and returns as many replies.
    pub(super) async fn send_all(&self, commands: &Pipeline) -> Result<Vec<Reply>, StoreError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let session = self.session()?;
        let _in_flight = InFlight::enter(&session);
        let mut connection = session.connection.clone();
        let replies = connection.send_packed_commands(commands, 0, commands.len()).await;
        let replies = replies.map_err(|error| session.broken(&error))?;
        let replies: Vec<_> = replies.into_iter().map(Reply::from).collect();
        replies.iter().for_each(|reply| session.look_at(reply));
        if replies.len() == commands.len() { Ok(replies) } else { Err(StoreError::Io) }
    }

    fn session(&self) -> Result<Arc<Session>, StoreError> {
        self.session.load_full().ok_or(StoreError::Down)
    }

    pub(super) fn publish(&self, session: Arc<Session>) {
        self.session.store(Some(session));
        self.up.store(true, Ordering::Release);
        self.note_change();
    }

    pub(super) fn withdraw(&self) {
        if self.up.swap(false, Ordering::AcqRel) {
            self.session.store(None);
            self.note_change();
        }
    }

    fn note_change(&self) {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// How long ago it came up or went down; until it first did, how long ago it was made.
    pub(super) fn changed_ago(&self) -> Duration {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Session {
    pub(super) fn new(connection: MultiplexedConnection, node: &Node) -> Session {
        #[cfg(not(feature = "bloom"))]
        let _ = node;
        Session {
            connection,
            exchanges: Exchanges::default(),
            convoys: Convoys::new(),
            runtime: Handle::current(),
            ids: IdSource::new(),
            #[cfg(feature = "bloom")]
            incarnation: node.incarnation(),
            in_flight: AtomicUsize::new(0),
            stalled: AtomicBool::new(false),
            demoted: Notify::new(),
        }
    }

    /// A clone for the supervisor, whose own commands are not counted.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// From here on whoever loses its reply is told that it timed out.
    pub(super) fn mark_stalled(&self) {
        self.stalled.store(true, Ordering::Release);
    }

    /// Resolves when a reply shows that the server became a replica.
    pub(super) async fn demoted(&self) {
        self.demoted.notified().await;
    }

    /// Takes a convoy to the server and back.
    async fn carry(self: Arc<Self>, carrier: Carrier) {
        let commands = carrier.depart(&self.convoys).await;
        let mut exchange = self.exchanges.take(&self.connection);
        exchange.begin_all(commands);
        let replies = poll_fn(|cx| exchange.poll(cx)).await;
        self.exchanges.put_back(exchange);
        carrier.arrive(replies.map_err(|error| self.broken(&error)));
    }

    fn broken(&self, error: &RedisError) -> StoreError {
        if self.stalled.load(Ordering::Acquire) {
            StoreError::Timeout
        } else {
            reply::broken(error)
        }
    }

    fn look_at(&self, reply: &Reply) {
        if matches!(reply, Reply::Error(error) if error.code() == "READONLY") {
            self.demoted.notify_one();
        }
    }
}

/// One command on its way. Dropped before the reply, the command may still be carried out.
#[must_use = "nothing is sent before it is polled"]
pub(super) struct Sending {
    way: Option<(Arc<Session>, Way)>,
    /// Whether the command's buffers may be kept.
    short: bool,
}

enum Way {
    Alone(Box<Exchange>),
    Together(Passenger),
}

impl Sending {
    fn begin(
        session: Option<Arc<Session>>,
        short: bool,
        begin: impl FnOnce(&mut Exchange),
    ) -> Self {
        let way = session.map(|session| {
            let mut exchange = session.exchanges.take(&session.connection);
            begin(&mut exchange);
            session.in_flight.fetch_add(1, Ordering::Relaxed);
            (session, Way::Alone(exchange))
        });
        Sending { way, short }
    }

    fn together(session: Arc<Session>, write: impl FnOnce(&mut Cmd)) -> Self {
        let mut command = Cmd::with_capacity(2, 64);
        write(&mut command);
        let (passenger, carrier) = match session.convoys.board(command) {
            Ok(boarded) => boarded,
            Err(command) => {
                return Sending::begin(Some(session), true, |exchange| exchange.begin(command));
            }
        };
        if let Some(carrier) = carrier {
            drop(session.runtime.spawn(Arc::clone(&session).carry(carrier)));
        }
        session.in_flight.fetch_add(1, Ordering::Relaxed);
        Sending { way: Some((session, Way::Together(passenger))), short: true }
    }

    /// Who is to carry it out.
    #[cfg(feature = "bloom")]
    pub(super) fn incarnation(&self) -> Option<super::Incarnation> {
        self.way.as_ref().and_then(|(session, _)| session.incarnation)
    }
}

impl Future for Sending {
    type Output = Result<Reply, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((session, way)) = &mut self.way else { return Poll::Ready(Err(StoreError::Down)) };
        let polled = match way {
            Way::Alone(exchange) => {
                exchange.poll(cx).map(|reply| reply.map_err(|error| session.broken(&error)))
            }
            Way::Together(passenger) => passenger.poll(cx),
        };
        let Poll::Ready(reply) = polled else { return Poll::Pending };
        let Some((session, way)) = self.way.take() else { return Poll::Pending };
        session.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Ok(reply) = &reply {
            session.look_at(reply);
        }
        if let Way::Alone(mut exchange) = way {
            if !self.short {
                exchange.forget_buffers();
            }
            session.exchanges.put_back(exchange);
        }
        Poll::Ready(reply)
    }
}

impl Drop for Sending {
    /// A command that was given up no longer counts.
    fn drop(&mut self) {
        if let Some((session, _)) = &self.way {
            session.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Commands on their way; commands that were given up no longer count.
struct InFlight<'a>(&'a AtomicUsize);

impl InFlight<'_> {
    fn enter(session: &Session) -> InFlight<'_> {
        session.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&session.in_flight)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
