//! A lock that is held until a body has ended.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use super::held::Held;
use crate::{
    BoxError,
    body::{Extra, Next},
};

/// Keeps the lock until the last frame goes out, or the body is dropped; ends the body if the lock is lost.
pub(super) struct UntilEnd {
    held: Option<Held>,
    lost: Option<Pin<Box<dyn Future<Output = BoxError> + Send>>>,
    release: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl UntilEnd {
    pub(super) fn new(held: Held) -> Self {
        let lost = held.handle().map(|handle| {
            let lost = async move { BoxError::from(handle.lost().await) };
            Box::pin(lost) as Pin<Box<dyn Future<Output = _> + Send>>
        });
        Self { held: Some(held), lost, release: None }
    }
}

impl Extra for UntilEnd {
    fn poll_abort(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        let Some(lost) = &mut self.lost else { return Poll::Pending };
        let polled = lost.as_mut().poll(cx);
        if polled.is_ready() {
            self.lost = None;
        }
        polled
    }

    fn poll_end(&mut self, _: &mut Next, cx: &mut Context<'_>) -> Poll<()> {
        // A release is no loss.
        self.lost = None;
        if let Some(held) = self.held.take() {
            self.release = Some(Box::pin(held.release()));
        }
        match &mut self.release {
            Some(release) => release.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}
