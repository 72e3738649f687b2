//! The handle of a write-behind.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use super::WriteBehindBuilder;
use crate::events::DeadEvent;
use crate::redis::{StoreError, Stream, Wire};
use crate::{Error, ErrorKind, Key};

/// Accepts values into a durable stream in Redis, and has them written to the database in batches by a function of
/// yours.
///
/// **What is promised.** [`accept`](Self::accept) returns when Redis has the value. From then on it is handed to the
/// function at least once, unless a newer value of its key is, and for one key never an older value after a newer one:
/// over all processes of one name a single one writes at a time, by a lease, and takes a value off the stream only after
/// it was written. Accepted values are as safe as that Redis: let it persist (`appendonly yes`, and `appendfsync always`
/// if not even a second may be lost).
///
/// **What is not.** Until a value is written, reads of the database, and so of the cache, give the older one. The promise
/// of [invalidation](crate::Cache::invalidate) begins when it was written: with [`cache`](WriteBehindBuilder::cache) its key
/// is invalidated then. And a process that is *stopped* for longer than its lease in the middle of a statement may have
/// that statement carried out after its successor has begun: where that matters, let the statement compare
/// [`Write::version`](super::Write::version).
///
/// ```no_run
/// use cachekit_core::{Cache, Write, WriteBehind};
/// # use cachekit_core::Key;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Views {
///     page: u64,
///     count: u64,
/// }
///
/// # async fn example(cache: Cache, key: Key) -> Result<(), cachekit_core::Error> {
/// let views = WriteBehind::<Views>::builder("views")
///     .namespace("blog")
///     .cache(&cache)
///     .start("redis://writes.internal", |batch: Vec<Write<Views>>| async move {
///         for write in batch {
///             // INSERT INTO views (page, count, version) VALUES (..) ON CONFLICT (page)
///             // DO UPDATE SET count = .., version = .. WHERE views.version < excluded.version
///             let _row = (write.value.page, write.value.count, write.version);
///         }
///         Ok::<_, std::io::Error>(())
///     })
///     .await?;
/// views.accept(&key, &Views { page: 7, count: 1 }).await?;
/// views.shutdown().await?;
/// # Ok(())
/// # }
/// ```
pub struct WriteBehind<T> {
    inner: Arc<Inner>,
    value: PhantomData<fn(T)>,
}

struct Inner {
    setup: WriteBehindBuilder,
    stream: Stream,
    wire: Wire,
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
    abort: AbortHandle,
}

/// What was accepted stays in the stream, for the next process.
impl Drop for Inner {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl<T> WriteBehind<T> {
    /// Starts setting one up. Processes that give the same name and namespace share the work.
    pub fn builder(name: impl Into<String>) -> WriteBehindBuilder {
        WriteBehindBuilder::new(name.into())
    }

    pub(super) fn new(
        setup: WriteBehindBuilder,
        stream: Stream,
        wire: Wire,
        wake: Arc<Notify>,
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    ) -> Self {
        let (abort, task) = (task.abort_handle(), Mutex::new(Some(task)));
        let inner = Inner { setup, stream, wire, wake, stop, task, abort };
        Self { inner: Arc::new(inner), value: PhantomData }
    }

    /// How many accepted values wait, coalesced ones included.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] if Redis does not say.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    pub async fn waiting(&self) -> Result<u64, Error> {
        self.inner.stream.len().await.map_err(|error| failed("count writes", error))
    }

    /// The first `limit` values that were given up, oldest first. Nothing sends them on their way again, since a newer
    /// value of their key may have been written: accept the value anew if it is still the right one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] if Redis does not say.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadEvent>, Error> {
        let entries = self.inner.stream.below("dead").range("-", limit).await;
        let entries = entries.map_err(|error| failed("list dead letters", error))?;
        Ok(entries.into_iter().map(DeadEvent::of).collect())
    }

    /// Accepts no more here, writes what waits unless another process does, and closes the connection.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ShuttingDown`] if values still wait after
    /// [`shutdown_timeout`](WriteBehindBuilder::shutdown_timeout), or if Redis is away. They are not lost: the next
    /// process with this name writes them.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the writing goes on to its end, as long as a handle is kept.
    pub async fn shutdown(&self) -> Result<(), Error> {
        let _ = self.inner.stop.send(true);
        let task = self.inner.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ended = match task {
            Some(task) => timeout(self.inner.setup.shutdown_timeout, task).await.is_ok(),
            None => true,
        };
        self.inner.abort.abort();
        let reached = self.inner.stream.is_up();
        self.inner.wire.shutdown().await;
        if ended && reached {
            return Ok(());
        }
        let message = "values wait in the stream for the next process with this name";
        Err(Error::new(ErrorKind::ShuttingDown, "shut write-behind down", message))
    }
}

impl<T: Serialize> WriteBehind<T> {
    /// Accepts `value` for `key`; `Ok` when Redis has it.
    ///
    /// # Errors
    ///
    /// It was not accepted: [`ErrorKind::Codec`] if it cannot be serialized, [`ErrorKind::Unavailable`] if Redis is away or
    /// as many values wait as may, [`ErrorKind::ShuttingDown`]. [`ErrorKind::Timeout`]: whether it was is unknown; accepting
    /// it again does no harm if nobody else has accepted a newer one.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way the value may be accepted or not.
    pub async fn accept(&self, key: &Key, value: &T) -> Result<(), Error> {
        let operation = "accept write";
        let refuse = |kind, text: &'static str| {
            Err(Error::new(kind, operation, text).with_template(key.to_template()))
        };
        if *self.inner.stop.borrow() {
            return refuse(ErrorKind::ShuttingDown, "the write-behind was shut down");
        }
        let payload = serde_json::to_vec(value).map_err(|error| {
            let message = format!("a `{}` cannot be serialized", std::any::type_name::<T>());
            let error = Error::new(ErrorKind::Codec, operation, message).with_source(error);
            error.with_template(key.to_template())
        })?;
        let (limit, stream) = (self.inner.setup.limit, &self.inner.stream);
        match stream.append(limit, key.as_str(), &payload).await {
            Ok(true) => self.inner.wake.notify_one(),
            Ok(false) => {
                return refuse(ErrorKind::Unavailable, "as many values wait as `limit` allows");
            }
            Err(error) => {
                return Err(failed(operation, error).with_template(key.to_template()));
            }
        }
        Ok(())
    }
}

impl<T> Clone for WriteBehind<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), value: PhantomData }
    }
}

impl<T> fmt::Debug for WriteBehind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteBehind").field("setup", &self.inner.setup).finish_non_exhaustive()
    }
}

fn failed(operation: &'static str, error: StoreError) -> Error {
    let (kind, message) = match error {
        StoreError::Timeout | StoreError::Io => (ErrorKind::Timeout, "redis did not answer"),
        StoreError::Down => (ErrorKind::Unavailable, "redis cannot be reached"),
        StoreError::OutOfMemory => (ErrorKind::Unavailable, "redis is out of memory"),
        StoreError::Refused(_) => (ErrorKind::Unavailable, "redis refused the command"),
    };
    Error::new(kind, operation, message)
}
