//! The way of a response back through a layer that its request owes an invalidation to.

use std::panic::resume_unwind;

use bytes::Bytes;
use cachekit_core::{Outcome, Scope};
use http::{HeaderName, HeaderValue, Response, response};
use http_body::Body as HttpBody;

use super::{at_end::AtEnd, owed::Owed, verdict::Verdict};
use crate::{Body, Kind, caught::caught};

/// Tells, where that is asked for, that an invalidation is under way still.
pub(super) const REPORT: HeaderName = HeaderName::from_static("cachekit-invalidation");
pub(super) const PENDING: HeaderValue = HeaderValue::from_static("pending");

impl Owed {
    /// Waits for the handler, and gives out what it gave. A handler that panics does so once all is invalidated.
    ///
    /// # Errors
    ///
    /// The handler's.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way, the handler is, and what is owed is handed in.
    pub(crate) async fn pay_after<R, E>(
        self,
        kind: Kind,
        handler: impl Future<Output = Result<Response<R>, E>>,
    ) -> Result<Response<Body<R>>, E>
    where
        R: HttpBody<Data = Bytes>,
    {
        match caught(handler).await {
            Ok(result) => self.finish(kind, result).await,
            Err(panic) => {
                self.settle().await;
                resume_unwind(panic)
            }
        }
    }

    /// What goes out, and when, of what the handler gave.
    ///
    /// # Errors
    ///
    /// The handler's.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way, what is owed is handed in.
    async fn finish<R, E>(
        mut self,
        kind: Kind,
        result: Result<Response<R>, E>,
    ) -> Result<Response<Body<R>>, E>
    where
        R: HttpBody<Data = Bytes>,
    {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                self.settle().await;
                return Err(error);
            }
        };
        let (mut head, body) = response.into_parts();
        self.add_response(&head);
        let report = self.terms().report;
        let body = match Verdict::of_head(kind, &head) {
            Verdict::Keep => {
                self.disarm();
                Body::through(body)
            }
            Verdict::AtTrailers if !body.is_end_stream() => {
                // A session's token goes out with the head, and names what was invalidated by then.
                if Scope::current().is_some() {
                    self.invalidate().await;
                }
                at_end(kind, self, body)
            }
            // What it streams may write as well.
            Verdict::Invalidate if is_streamed(&body) => {
                let outcome = self.invalidate().await;
                tell(report, outcome, &mut head);
                at_end(kind, self, body)
            }
            Verdict::Invalidate | Verdict::AtTrailers => {
                let outcome = self.settle().await;
                tell(report, outcome, &mut head);
                Body::through(body)
            }
        };
        Ok(Response::from_parts(head, body))
    }
}

fn tell(report: bool, outcome: Outcome, head: &mut response::Parts) {
    if report && outcome == Outcome::Pending {
        head.headers.insert(REPORT, PENDING);
    }
}

fn at_end<R: HttpBody<Data = Bytes>>(kind: Kind, owed: Owed, body: R) -> Body<R> {
    Body::through(body).with_extra(Box::new(AtEnd::new(kind, owed)))
}

fn is_streamed<R: HttpBody>(body: &R) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none()
}
