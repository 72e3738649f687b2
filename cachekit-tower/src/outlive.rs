//! Work that is finished though its caller has gone away.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use cachekit_core::Cache;
use tracing::Span;

use crate::observe;

/// What becomes of a handler whose client has gone away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disconnect {
    /// It goes on to its end, in a task that [`Cache::shutdown`] waits for.
    #[default]
    Finish,
    /// It is dropped. What it has sent to a database may be carried out all the same, after the drop.
    Cancel,
}

/// Says that a handler has begun: from there on it may have written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Begun(Arc<AtomicBool>);

impl Begun {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What a caller waits for, and a task may.
pub(crate) type Run<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that goes on in a task when it is dropped after its handler has begun.
pub(crate) struct Outliving<T: 'static> {
    /// `None` once it has ended.
    future: Option<Run<T>>,
    begun: Begun,
    disconnect: Disconnect,
    layer: &'static str,
    cache: Cache,
    span: Span,
    /// Set for the time of a poll, and for ever by a panic.
    polled: bool,
}

impl<T> Outliving<T> {
    pub(crate) fn new(
        future: Run<T>,
        begun: Begun,
        disconnect: Disconnect,
        layer: &'static str,
        cache: &Cache,
    ) -> Self {
        Self {
            future: Some(future),
            begun,
            disconnect,
            layer,
            cache: cache.clone(),
            span: Span::current(),
            polled: false,
        }
    }
}

impl<T> Future for Outliving<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let future = this.future.as_mut().expect("polled after completion");
        this.polled = true;
        let polled = future.as_mut().poll(cx);
        this.polled = false;
        if polled.is_ready() {
            this.future = None;
        }
        polled
    }
}

impl<T> Drop for Outliving<T> {
    fn drop(&mut self) {
        let Some(future) = self.future.take() else { return };
        if self.polled || !self.begun.is_set() {
            return;
        }
        observe::disconnect(self.layer, self.disconnect);
        if self.disconnect == Disconnect::Finish {
            // What it gives is dropped in the task, in the scope it came from.
            let work = async move { drop(future.await) };
            self.span.in_scope(|| self.cache.track(work));
        }
    }
}

// It holds the future in a box.
impl<T> Unpin for Outliving<T> {}

impl<T> fmt::Debug for Outliving<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outliving").field("layer", &self.layer).finish_non_exhaustive()
    }
}
