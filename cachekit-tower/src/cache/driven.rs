//! A look into the cache that is under way, and that outlives its caller where others wait for what it runs.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use cachekit_core::{Cache, Status};

use super::{
    gates::Seat,
    run::{Failure, Own},
    snapshot::Snapshot,
};

type Looking = Pin<Box<dyn Future<Output = Looked> + Send>>;

/// What a look found, and how.
pub(crate) type Looked = (Result<Snapshot, Failure>, Status);

/// A look that is driven by its caller.
pub(crate) struct Driven<R: Send + 'static, E: Send + 'static> {
    looking: Option<Looking>,
    cache: Cache,
    seat: Arc<Seat>,
    own: Arc<Own<R, E>>,
}

impl<R: Send + 'static, E: Send + 'static> Driven<R, E> {
    pub(crate) fn new(
        looking: Looking,
        cache: Cache,
        seat: Arc<Seat>,
        own: Arc<Own<R, E>>,
    ) -> Self {
        Self { looking: Some(looking), cache, seat, own }
    }
}

impl<R: Send + 'static, E: Send + 'static> Future for Driven<R, E> {
    type Output = Looked;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Looked> {
        let looking = self.looking.as_mut().expect("polled after completion");
        let polled = looking.as_mut().poll(cx);
        if polled.is_ready() {
            self.looking = None;
        }
        polled
    }
}

// Nothing in it is pinned in place.
impl<R: Send + 'static, E: Send + 'static> Unpin for Driven<R, E> {}

/// The caller has gone. What it runs is not its own: others go on with it, and nothing begins again.
impl<R: Send + 'static, E: Send + 'static> Drop for Driven<R, E> {
    fn drop(&mut self) {
        let Some(looking) = self.looking.take() else { return };
        if !self.own.has_begun() || !self.seat.has_company() {
            return;
        }
        let seat = self.seat.clone();
        self.cache.track(async move {
            tokio::select! {
                biased;
                _looked = looking => {}
                // Nobody wants it any more.
                () = seat.alone() => {}
            }
        });
    }
}
