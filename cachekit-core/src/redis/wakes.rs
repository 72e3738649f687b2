//! The connection on which waiters of this process are woken: made when the first has to wait, one channel for all.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::connect::{Connector, Driver, Fault, config};
use super::supervisor::Stop;
use super::task::Task;
use crate::entry::IdSource;

/// Wakes those who wait in this process when it is their turn.
///
/// A wake may be lost with the connection; after each new one all are woken, and who waits comes back by itself.
#[derive(Debug)]
pub(crate) struct Wakes {
    board: Arc<Board>,
    connector: Arc<Connector>,
    task: Mutex<Option<Task>>,
}

/// Who waits.
#[derive(Debug)]
struct Board {
    /// This process, to others.
    process: String,
    channel: String,
    next: AtomicU64,
    sleepers: Mutex<HashMap<u64, Arc<Notify>>>,
    up: watch::Sender<bool>,
}

/// One who waits; dropping it takes it off the board.
#[derive(Debug)]
pub(crate) struct Sleeper {
    board: Arc<Board>,
    number: u64,
    woken: Arc<Notify>,
}

impl Wakes {
    pub(super) fn new(connector: Arc<Connector>, channels: &str) -> Wakes {
        let process = format!("{:032x}", u128::from_be_bytes(IdSource::new().next().0));
        let channel = format!("{channels}{process}");
        let board = Board {
            process,
            channel,
            next: AtomicU64::new(0),
            sleepers: Mutex::default(),
            up: watch::Sender::new(false),
        };
        Wakes { board: Arc::new(board), connector, task: Mutex::default() }
    }

    /// Begins to listen, if nobody has yet, and puts a new waiter on the board.
    pub(crate) fn sleeper(&self) -> Sleeper {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| {
            let listener = Listener {
                board: Arc::clone(&self.board),
                connector: Arc::clone(&self.connector),
                backoff: Backoff::default(),
                told: false,
            };
            Task::spawn(|stop| listener.run(stop))
        });
        let number = self.board.next.fetch_add(1, Ordering::Relaxed);
        let woken = Arc::new(Notify::new());
        self.board.sleepers().insert(number, Arc::clone(&woken));
        Sleeper { board: Arc::clone(&self.board), number, woken }
    }

    /// Ends the connection.
    pub(crate) async fn shutdown(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.finish().await;
        }
    }
}

impl Board {
    fn sleepers(&self) -> MutexGuard<'_, HashMap<u64, Arc<Notify>>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by the task that reads the connection.
    fn take(&self, push: &PushInfo) {
        let (PushKind::Message, [_, Value::BulkString(payload)]) = (&push.kind, &push.data[..])
        else {
            return;
        };
        let number = std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok());
        let sleeper = number.and_then(|number: u64| self.sleepers().get(&number).cloned());
        if let Some(sleeper) = sleeper {
            sleeper.notify_one();
        }
    }

    fn wake_all(&self) {
        let all: Vec<_> = self.sleepers().values().cloned().collect();
        all.iter().for_each(|sleeper| sleeper.notify_one());
    }
}

impl Sleeper {
    /// Its name, to others.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.board.process, self.number)
    }

    /// Waits until wakes can arrive; `limit` at most, for one who waits comes back without them as well.
    pub(crate) async fn listening(&self, limit: Duration) {
        let mut up = self.board.up.subscribe();
        let _ = timeout(limit, up.wait_for(|up| *up)).await;
    }

    /// Resolves when it was woken, since the last time or before it is polled.
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.board.sleepers().remove(&self.number);
    }
}

/// The task that keeps the connection.
struct Listener {
    board: Arc<Board>,
    connector: Arc<Connector>,
    backoff: Backoff,
    told: bool,
}

impl Listener {
    async fn run(mut self, mut stop: Stop) {
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => return,
                () = self.listen() => {}
            }
            let pause = self.backoff.after_loss();
            tokio::select! {
                biased;
                _ = stop.changed() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// One connection, from its making to its end.
    async fn listen(&mut self) {
        let (mut driver, _connection) = match self.connect().await {
            Ok(connected) => connected,
            Err(fault) => return self.tell(fault),
        };
        self.backoff.connected();
        self.told = false;
        let _up = Up::new(&self.board);
        // What was to be told before is not told any more.
        self.board.wake_all();
        driver.broken().await;
    }

    async fn connect(&self) -> Result<(Driver, MultiplexedConnection), Fault> {
        let board = Arc::clone(&self.board);
        let take = move |push| -> Result<(), ()> {
            board.take(&push);
            Ok(())
        };
        let channel = self.board.channel.clone();
        let attempt = async {
            let mut fresh = self.connector.attempt(config().set_push_sender(take)).await?;
            let subscribed = fresh.connection.subscribe(&channel).await;
            subscribed.map_err(|error| Fault::Transient(error.to_string()))?;
            Ok(fresh)
        };
        let fresh = self.connector.in_time(attempt).await?;
        Ok((fresh.driver, fresh.connection))
    }

    fn tell(&mut self, fault: Fault) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let reason = match fault {
            Fault::Permanent(error) => error.message().to_owned(),
            Fault::Transient(reason) => reason,
        };
        let redis = self.connector.target();
        tracing::warn!(%redis, reason, "nobody wakes those who wait for locks; they look every second");
    }
}

/// While it lives wakes arrive.
struct Up<'a>(&'a Board);

impl Up<'_> {
    fn new(board: &Board) -> Up<'_> {
        board.up.send_replace(true);
        Up(board)
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.0.up.send_replace(false);
    }
}
