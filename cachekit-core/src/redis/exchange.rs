//! Commands sent through futures that are used again: the driver's own one is a kilobyte, more than
//! an allocator hands out cheaply, and each needs a clone of the connection.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, TryLockError};
use std::task::{Context, Poll};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Value};

use super::reply::Reply;

/// Exchanges kept for later; a burst of more than this makes its own.
const IDLE: usize = 128;

/// What came back: boxed as far as it is rare, and so in few words.
pub(super) type Received = Result<Reply, Box<RedisError>>;

thread_local! {
    /// What goes into an exchange's future, or comes out of it, in the course of one poll.
    static HAND: Cell<Hand> = const { Cell::new(Hand::Empty) };
}

#[derive(Default)]
enum Hand {
    #[default]
    Empty,
    Send(Outgoing),
    Received(Outgoing, Received),
}

enum Outgoing {
    One(Cmd),
    Several(Pipeline),
}

/// One command and its reply at a time, or several at once, in a future that never ends.
pub(super) struct Exchange {
    outgoing: Option<Outgoing>,
    /// The buffers of an earlier command.
    spare: Option<Cmd>,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Exchange {
    fn new(connection: MultiplexedConnection) -> Exchange {
        Exchange { outgoing: None, spare: None, future: Box::pin(serve(connection)) }
    }

    /// Sends `command` with the next poll.
    pub(super) fn begin(&mut self, command: Cmd) {
        self.outgoing = Some(Outgoing::One(command));
    }

    /// Sends all of them with the next poll; the reply is an array of theirs.
    pub(super) fn begin_all(&mut self, commands: Pipeline) {
        self.outgoing = Some(Outgoing::Several(commands));
    }

    /// Sends what `write` puts together with the next poll. For short commands: their buffers are kept.
    pub(super) fn begin_with(&mut self, write: impl FnOnce(&mut Cmd)) {
        let mut command = self.spare.take().unwrap_or_else(|| Cmd::with_capacity(8, 256));
        command.clear();
        write(&mut command);
        self.outgoing = Some(Outgoing::One(command));
    }

    /// Drops the buffers of the last command.
    pub(super) fn forget_buffers(&mut self) {
        self.spare = None;
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        if let Some(outgoing) = self.outgoing.take() {
            HAND.with(|hand| hand.set(Hand::Send(outgoing)));
        }
        // It never ends, and takes or leaves something in hand before this poll is over.
        let _pending = self.future.as_mut().poll(cx);
        match HAND.take() {
            Hand::Received(sent, reply) => {
                if let Outgoing::One(command) = sent {
                    self.spare = Some(command);
                }
                Poll::Ready(reply)
            }
            _ => Poll::Pending,
        }
    }
}

async fn serve(mut connection: MultiplexedConnection) {
    loop {
        let outgoing = poll_fn(|_| take_outgoing()).await;
        let reply = match &outgoing {
            Outgoing::One(command) => connection.send_packed_command(command).await,
            Outgoing::Several(commands) => {
                connection.send_packed_commands(commands, 0, commands.len()).await.map(Value::Array)
            }
        };
        let reply = reply.map(Reply::from).map_err(Box::new);
        HAND.with(|hand| hand.set(Hand::Received(outgoing, reply)));
    }
}

/// A reply that is still in hand is left there for the poll that is about to end.
fn take_outgoing() -> Poll<Outgoing> {
    HAND.with(|hand| match hand.take() {
        Hand::Send(outgoing) => Poll::Ready(outgoing),
        other => {
            hand.set(other);
            Poll::Pending
        }
    })
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

/// Exchanges of one connection that wait for a command.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    // Boxed: they are moved more often than made.
    #[allow(clippy::vec_box)]
    idle: Mutex<Vec<Box<Exchange>>>,
}

impl Exchanges {
    /// Never waits: while another thread looks, a new exchange costs less.
    pub(super) fn take(&self, connection: &MultiplexedConnection) -> Box<Exchange> {
        let idle = self.with(Vec::pop).flatten();
        idle.unwrap_or_else(|| Box::new(Exchange::new(connection.clone())))
    }

    /// Keeps an exchange whose reply was received. One that was given up in mid-way is no use.
    pub(super) fn put_back(&self, exchange: Box<Exchange>) {
        let mut exchange = Some(exchange);
        self.with(|idle| {
            if idle.len() < IDLE {
                idle.extend(exchange.take());
            }
        });
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<Box<Exchange>>) -> T) -> Option<T> {
        match self.idle.try_lock() {
            Ok(mut idle) => Some(look(&mut idle)),
            Err(TryLockError::Poisoned(poisoned)) => Some(look(&mut poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
