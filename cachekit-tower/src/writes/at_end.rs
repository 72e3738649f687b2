//! What is done before a response's last frame goes out.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use cachekit_core::Outcome;
use http_body::Frame;

use super::{
    finish::{PENDING, REPORT},
    owed::Owed,
    verdict::Verdict,
};
use crate::{
    Kind,
    body::{Extra, Next},
};

/// Withholds the last frame until its keys are invalidated. A body that is dropped before that hands them in.
pub(super) struct AtEnd {
    kind: Kind,
    owed: Option<Owed>,
    report: bool,
    invalidation: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
}

impl AtEnd {
    pub(super) fn new(kind: Kind, owed: Owed) -> Self {
        let report = owed.terms().report;
        Self { kind, owed: Some(owed), report, invalidation: None }
    }

    fn begin(&mut self, last: &Next) {
        let Some(owed) = self.owed.take() else { return };
        let trailers = match last {
            Some(Ok(frame)) => frame.trailers_ref(),
            Some(Err(_)) | None => None,
        };
        let verdict = match (self.kind, trailers) {
            (Kind::Grpc, Some(trailers)) => Verdict::of_status(trailers),
            // Broken, or cut short: nobody knows what was written.
            (Kind::Grpc, None) | (Kind::Http, _) => Verdict::Invalidate,
        };
        match verdict {
            Verdict::Keep => owed.disarm(),
            Verdict::Invalidate | Verdict::AtTrailers => {
                self.invalidation = Some(Box::pin(owed.settle()));
            }
        }
    }
}

impl Extra for AtEnd {
    fn poll_end(&mut self, last: &mut Next, cx: &mut Context<'_>) -> Poll<()> {
        self.begin(last);
        let Some(invalidation) = &mut self.invalidation else { return Poll::Ready(()) };
        let outcome = ready!(invalidation.as_mut().poll(cx));
        self.invalidation = None;
        if self.report
            && outcome == Outcome::Pending
            && let Some(Ok(frame)) = last
            && let Some(trailers) = Frame::trailers_mut(frame)
        {
            trailers.insert(REPORT, PENDING);
        }
        Poll::Ready(())
    }
}
