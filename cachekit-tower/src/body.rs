//! The body of requests and responses that a layer may have read.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::BoxError;

/// A frame, the end of a body, or how it broke.
pub(crate) type Next = Option<Result<Frame<Bytes>, BoxError>>;

/// In a box: bodies are moved often, and trailers are rare.
pub(crate) type Trailers = Option<Box<HeaderMap>>;

/// What stays with a body until it has ended or is dropped: a guard, a piece of work to be done before the end.
pub(crate) trait Extra: Send {
    /// Asked before each frame: ready with an error, it is all that the body still gives.
    fn poll_abort(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        let _ = cx;
        Poll::Pending
    }

    /// Asked before the last frame is given, and before an end or an error that comes without one: that is withheld
    /// until this is ready, which may add to its trailers. A body that has ended before it is first asked for a frame may
    /// never be polled.
    fn poll_end(&mut self, last: &mut Next, cx: &mut Context<'_>) -> Poll<()> {
        let _ = (last, cx);
        Poll::Ready(())
    }
}

pin_project! {
    /// The body of a request that a layer passes on, or of a response that it gives: passed through untouched, read
    /// before and given out again, or read in part.
    ///
    /// Frames, trailers, size hint and end are those of the body inside.
    pub struct Body<B> {
        #[pin]
        inner: Inner<B>,
        // Read from `inner`, and not to be given out yet.
        held: Option<Box<Next>>,
        extra: Option<Box<dyn Extra>>,
    }
}

pin_project! {
    #[project = Source]
    #[project_replace = Old]
    enum Inner<B> {
        Through { #[pin] body: B },
        Replay { data: Bytes, trailers: Trailers, exact: bool },
        // Boxed: it was polled where it stands.
        Resumed { head: VecDeque<Result<Frame<Bytes>, BoxError>>, rest: Option<Pin<Box<B>>> },
    }
}

impl<B> Body<B> {
    /// A body that is passed on as it is.
    pub fn through(body: B) -> Self {
        Self::of(Inner::Through { body })
    }

    /// A body that is known.
    pub fn full(data: impl Into<Bytes>) -> Self {
        Self::replay(data.into(), None, true)
    }

    /// A body without anything.
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// A body that was read to its end. `exact`: its length was known before, so that it may be told again.
    pub(crate) fn replay(data: Bytes, trailers: Trailers, exact: bool) -> Self {
        Self::of(Inner::Replay { data, trailers, exact })
    }

    /// What was read of a body, then the rest of it.
    pub(crate) fn resumed(
        head: VecDeque<Result<Frame<Bytes>, BoxError>>,
        rest: Option<Pin<Box<B>>>,
    ) -> Self {
        Self::of(Inner::Resumed { head, rest })
    }

    /// Keeps `extra` until the body has ended or is dropped.
    #[must_use]
    pub(crate) fn with_extra(self, extra: Box<dyn Extra>) -> Self {
        Self { extra: Some(extra), ..self }
    }

    fn of(inner: Inner<B>) -> Self {
        Self { inner, held: None, extra: None }
    }
}

impl<B> HttpBody for Body<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next> {
        let mut this = self.project();
        if let Some(extra) = this.extra.as_mut()
            && let Poll::Ready(error) = extra.poll_abort(cx)
        {
            *this.extra = None;
            *this.held = None;
            this.inner.project_replace(Inner::Resumed { head: VecDeque::new(), rest: None });
            return Poll::Ready(Some(Err(error)));
        }
        let mut next = match this.held.take() {
            Some(next) => *next,
            None => ready!(this.inner.as_mut().poll_frame(cx)),
        };
        if let Some(extra) = this.extra.as_mut()
            && is_last(&next, &this.inner)
        {
            if extra.poll_end(&mut next, cx).is_pending() {
                *this.held = Some(Box::new(next));
                return Poll::Pending;
            }
            *this.extra = None;
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        match &self.held {
            None => self.inner.is_end_stream(),
            Some(next) => next.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let held = match self.held.as_deref() {
            Some(Some(Ok(frame))) => frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => 0,
        };
        plus(held, self.inner.size_hint())
    }
}

fn is_last<B>(next: &Next, inner: &Inner<B>) -> bool
where
    B: HttpBody<Data = Bytes>,
{
    match next {
        Some(Ok(frame)) => frame.is_trailers() || inner.is_end_stream(),
        Some(Err(_)) | None => true,
    }
}

fn plus(more: u64, hint: SizeHint) -> SizeHint {
    let mut sum = SizeHint::new();
    sum.set_lower(hint.lower().saturating_add(more));
    if let Some(upper) = hint.upper() {
        sum.set_upper(upper.saturating_add(more));
    }
    sum
}

// ===== impl Inner =====

impl<B: HttpBody<Data = Bytes>> Inner<B> {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next>
    where
        B::Error: Into<BoxError>,
    {
        match self.project() {
            Source::Through { body } => body.poll_frame(cx).map(boxed),
            Source::Replay { data, .. } if !data.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(data)))))
            }
            Source::Replay { trailers, .. } => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))))
            }
            Source::Resumed { head, rest } => match (head.pop_front(), rest) {
                (Some(frame), _) => Poll::Ready(Some(frame)),
                (None, Some(rest)) => rest.as_mut().poll_frame(cx).map(boxed),
                (None, None) => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Through { body } => body.is_end_stream(),
            Self::Replay { data, trailers, .. } => data.is_empty() && trailers.is_none(),
            Self::Resumed { head, rest } => {
                head.is_empty() && rest.as_ref().is_none_or(|rest| rest.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Through { body } => body.size_hint(),
            Self::Replay { data, exact: true, .. } => SizeHint::with_exact(data.len() as u64),
            Self::Replay { data, .. } => plus(data.len() as u64, SizeHint::new()),
            Self::Resumed { head, rest } => {
                let data = head.iter().flatten().filter_map(Frame::data_ref);
                let read = data.map(|data| data.len() as u64).sum();
                let none = || SizeHint::with_exact(0);
                plus(read, rest.as_ref().map_or_else(none, |rest| rest.size_hint()))
            }
        }
    }
}

fn boxed<E: Into<BoxError>>(next: Option<Result<Frame<Bytes>, E>>) -> Next {
    next.map(|frame| frame.map_err(Into::into))
}

impl<B> Default for Body<B> {
    /// An empty body, as some servers and layers want for responses of their own.
    fn default() -> Self {
        Self::empty()
    }
}

impl<B> fmt::Debug for Body<B> {
    /// Says how it is made, and nothing of what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.inner {
            Inner::Through { .. } => "Body::Through(..)",
            Inner::Replay { .. } => "Body::Replay(..)",
            Inner::Resumed { .. } => "Body::Resumed(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    };

    use http_body_util::{BodyExt as _, Full};

    use super::*;

    type Known = Body<Full<Bytes>>;

    fn trailers() -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), "0".parse().unwrap())])
    }

    #[tokio::test]
    async fn a_replayed_body_gives_its_data_then_its_trailers() {
        let body = Known::replay("ab".into(), Some(Box::new(trailers())), false);
        assert_eq!((body.size_hint().lower(), body.size_hint().upper()), (2, None));
        assert!(!body.is_end_stream());
        let all = body.collect().await.unwrap();
        assert_eq!(all.trailers(), Some(&trailers()));
        assert_eq!(all.to_bytes(), "ab");
        assert!(Known::empty().is_end_stream());
        assert_eq!(Known::full("abc").size_hint().exact(), Some(3));
    }

    #[tokio::test]
    async fn a_resumed_body_keeps_order_size_and_error() {
        let head = VecDeque::from([Ok(Frame::data("a".into())), Ok(Frame::data("b".into()))]);
        let body = Body::resumed(head, Some(Box::pin(Full::new(Bytes::from("c")))));
        assert_eq!(body.size_hint().exact(), Some(3));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");

        let head = VecDeque::from([Ok(Frame::data("a".into())), Err("broken".into())]);
        let mut body = Known::resumed(head, None);
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "broken");
        assert!(body.frame().await.is_none());
    }

    struct Gate {
        open: Arc<AtomicBool>,
        broken: Arc<AtomicBool>,
    }

    impl Extra for Gate {
        fn poll_abort(&mut self, _: &mut Context<'_>) -> Poll<BoxError> {
            if self.broken.load(SeqCst) { Poll::Ready("lost".into()) } else { Poll::Pending }
        }

        fn poll_end(&mut self, _: &mut Next, _: &mut Context<'_>) -> Poll<()> {
            if self.open.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    fn gated(body: Known) -> (Known, Arc<AtomicBool>, Arc<AtomicBool>) {
        let (open, broken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let gate = Gate { open: open.clone(), broken: broken.clone() };
        (body.with_extra(Box::new(gate)), open, broken)
    }

    fn poll(body: &mut Known) -> Poll<Next> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        Pin::new(body).poll_frame(&mut cx)
    }

    #[test]
    fn an_extra_withholds_the_last_frame_and_then_goes() {
        let (mut body, open, _) =
            gated(Known::replay("a".into(), Some(Box::new(trailers())), true));
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(frame))) if frame.is_data()));
        assert!(poll(&mut body).is_pending());
        assert!(!body.is_end_stream());
        open.store(true, SeqCst);
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(frame))) if frame.is_trailers()));
        assert_eq!(Arc::strong_count(&open), 1);
        assert!(body.is_end_stream());
    }

    #[test]
    fn an_extra_ends_a_body_with_an_error() {
        let (mut body, _, broken) = gated(Known::full("a"));
        assert!(poll(&mut body).is_pending());
        assert_eq!(body.size_hint().exact(), Some(1));
        broken.store(true, SeqCst);
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(_)))));
        assert!(matches!(poll(&mut body), Poll::Ready(None)));
    }

    #[tokio::test]
    async fn a_body_is_debugged_without_its_data() {
        let body = Body::<Full<Bytes>>::full("secret");
        assert_eq!(format!("{body:?}"), "Body::Replay(..)");
        let body: Body<http_body_util::Empty<Bytes>> = Body::default();
        let _: Result<_, BoxError> = body.collect().await;
    }
}
