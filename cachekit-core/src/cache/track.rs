//! Work that outlives its caller, and that the end of the cache waits for.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tracing::Instrument as _;

use super::{Cache, Context};
use crate::{observe, sync};

/// So many run at once.
const MOST: usize = 4096;

/// The work of one cache that outlives its callers.
#[derive(Debug)]
pub(crate) struct Tasks {
    running: AtomicUsize,
    idle: Notify,
    runtime: sync::Runtime,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        let runtime = sync::Runtime::current();
        Self { running: AtomicUsize::new(0), idle: Notify::new(), runtime }
    }

    fn take(self: &Arc<Self>) -> Option<Running> {
        let room = |running: usize| (running < MOST).then_some(running + 1);
        self.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        Some(Running { tasks: self.clone(), end: End::Dropped })
    }

    /// Waits until none runs, at most for `limit`, and says how many still do.
    pub(crate) async fn drain(&self, limit: Duration) -> usize {
        let none = async {
            loop {
                let idle = self.idle.notified();
                if self.running.load(Ordering::Acquire) == 0 {
                    return;
                }
                idle.await;
            }
        };
        let _in_time = sync::within(limit, none).await;
        self.running.load(Ordering::Acquire)
    }
}

/// How a piece of work ended.
#[derive(Clone, Copy, Debug)]
enum End {
    Done,
    /// Its runtime ended first, or there was none.
    Dropped,
    NoRoom,
}

impl End {
    fn tell(self) {
        match self {
            Self::Done => observe::task_ended("done"),
            Self::Dropped if std::thread::panicking() => observe::task_ended("panicked"),
            Self::Dropped => observe::task_ended("dropped"),
            Self::NoRoom => observe::task_ended("no_room"),
        }
    }
}

/// A place among those that run.
#[derive(Debug)]
struct Running {
    tasks: Arc<Tasks>,
    end: End,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.tell();
        if self.tasks.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tasks.idle.notify_waiters();
        }
    }
}

pin_project! {
    struct Tracked<F> {
        // Dropped before its place: what its drop hands in is seen by who waits for it.
        #[pin]
        future: F,
        running: Running,
    }
}

impl<F: Future<Output = ()>> Future for Tracked<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.project();
        let polled = this.future.poll(cx);
        if polled.is_ready() {
            this.running.end = End::Done;
        }
        polled
    }
}

impl Cache {
    /// Runs `future` in a task of its own, which [`shutdown`](Self::shutdown) waits for up to its deadline: for work
    /// that has to be finished though its caller has gone away, such as a write whose client has hung up.
    ///
    /// The current span and scope are carried over. At most 4096 run at once. Where there is no room, or no runtime,
    /// `future` is dropped, and this is `false`; `cachekit_tasks_total` counts that.
    ///
    /// ```
    /// use cachekit_core::Cache;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cachekit_core::Error> {
    /// let cache = Cache::builder().build()?;
    /// let (told, heard) = tokio::sync::oneshot::channel();
    /// let runs = cache.track(async move {
    ///     let _nobody_waits = told.send("finished");
    /// });
    /// assert!(runs);
    /// cache.shutdown().await?;
    /// assert_eq!(heard.await, Ok("finished"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn track(&self, future: impl Future<Output = ()> + Send + 'static) -> bool {
        let future = Context::current().scope(future).instrument(tracing::Span::current());
        let Some(engine) = self.engine() else { return sync::Runtime::current().spawn(future) };
        let Some(running) = engine.tasks.take() else {
            End::NoRoom.tell();
            return false;
        };
        engine.tasks.runtime.spawn(Tracked { future, running })
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::{future::pending, sync::atomic::AtomicBool};

    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        cache::Scope,
        error::ErrorKind,
        key::{Key, KeyBuf},
    };

    fn cache() -> Cache {
        Cache::builder()
            .shutdown_timeout(Duration::from_secs(3))
            .build()
            .expect("nothing is asked of it")
    }

    fn key() -> Key {
        KeyBuf::new("item", |w| w.literal("item")).into_key()
    }

    fn running(cache: &Cache) -> usize {
        cache.engine().expect("it is not disabled").tasks.running.load(Ordering::Acquire)
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_waits_for_tracked_work() {
        let cache = cache();
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        cache.track(async move {
            sync::sleep(Duration::from_secs(2)).await;
            end.store(true, Ordering::Release);
        });
        cache.shutdown().await.unwrap();
        assert!(ended.load(Ordering::Acquire));
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_waits_to_its_deadline_and_tells_what_still_runs() {
        let cache = cache();
        cache.track(pending());
        let began = sync::now();
        let error = cache.shutdown().await.unwrap_err();
        assert_eq!(sync::now() - began, Duration::from_secs(3));
        assert_eq!(error.kind(), ErrorKind::ShuttingDown);
        assert!(error.to_string().contains("1 tracked tasks"), "{error}");
    }

    #[tokio::test]
    async fn tracked_work_is_in_the_scope_it_came_from() {
        let scope = Scope::new(cache());
        let (told, heard) = oneshot::channel();
        let track = scope.clone();
        scope.enter(|| {
            track.cache().track(async move {
                let cache = Context::with(|context| Context::ambient(context).cloned());
                cache.unwrap().invalidate(key()).await;
                told.send(()).unwrap();
            })
        });
        heard.await.unwrap();
        assert_eq!(scope.invalidated(), [key()]);
    }

    #[tokio::test]
    async fn a_panic_leaves_its_place() {
        let cache = cache();
        cache.track(async { panic!("as a handler may") });
        cache.shutdown().await.unwrap();
        assert_eq!(running(&cache), 0);
    }

    #[tokio::test]
    async fn no_more_run_than_there_is_room_for() {
        let cache = cache();
        assert!((0..MOST).all(|_| cache.track(pending())));
        let dropped = Arc::new(());
        let held = dropped.clone();
        assert!(!cache.track(async move { drop(held) }));
        assert_eq!((Arc::strong_count(&dropped), running(&cache)), (1, MOST));
    }

    #[test]
    fn without_a_runtime_the_work_is_dropped_and_leaves_no_trace() {
        let cache = cache();
        let dropped = Arc::new(());
        let held = dropped.clone();
        assert!(!cache.track(async move { drop(held) }));
        assert_eq!((Arc::strong_count(&dropped), running(&cache)), (1, 0));
    }

    #[test]
    fn work_that_ends_with_its_runtime_leaves_its_place() {
        let cache = cache();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { assert!(cache.track(pending())) });
        assert_eq!(running(&cache), 1);
        drop(runtime);
        assert_eq!(running(&cache), 0);
    }
}
