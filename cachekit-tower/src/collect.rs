//! Reading a body to its end, within limits.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::{Body, BoxError, body::Trailers, time::Timer};

/// How much of a body is read, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) bytes: usize,
    pub(crate) within: Duration,
}

impl Bounds {
    pub(crate) const RESPONSE: Self = Self { bytes: 1 << 20, within: Duration::from_secs(5) };
    pub(crate) const REQUEST: Self = Self { bytes: 64 << 10, within: Duration::from_secs(5) };
}

/// In how many frames so many bytes may come: each is kept until the last one has come.
pub(crate) fn most_frames(bytes: usize) -> usize {
    64 + bytes / 64
}

/// Whether a frame says nothing.
pub(crate) fn is_empty(frame: &Frame<Bytes>) -> bool {
    frame.data_ref().is_some_and(Bytes::is_empty)
}

/// A body that was read, or was not.
#[derive(Debug)]
pub(crate) enum Collected<B> {
    Whole(Whole),
    /// What is to be passed on: all of it is still there, in order.
    Not(Body<B>, Why),
}

/// All of a body.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) data: Bytes,
    pub(crate) trailers: Trailers,
    /// Its length was known before it was read.
    pub(crate) exact: bool,
}

impl Whole {
    pub(crate) fn into_body<B>(self) -> Body<B> {
        Body::replay(self.data, self.trailers, self.exact)
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    TooLong,
    TooSlow,
    Broken,
    /// It has another length than its head says.
    WrongLength,
}

impl Why {
    /// One word for metrics and `Cache-Status`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::TooSlow => "too-slow",
            Self::Broken => "body-error",
            Self::WrongLength => "wrong-length",
        }
    }
}

/// Whether not one frame of such a response may be read before it is passed on.
pub(crate) fn must_stream(
    status: StatusCode,
    headers: &HeaderMap,
    hint: &SizeHint,
    bytes: usize,
) -> bool {
    let most = bytes as u64;
    let endless = || {
        headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
            is_media_type(kind, "text/event-stream")
                || is_media_type(kind, "multipart/x-mixed-replace")
        })
    };
    status == StatusCode::SWITCHING_PROTOCOLS
        || hint.lower() > most
        || content_length(headers).is_some_and(|length| length > most)
        || endless()
}

/// What the head says of the body's length.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_media_type(value: &HeaderValue, wanted: &str) -> bool {
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
}

/// Reads a body. `length`: what its head says, where that speaks of this body.
///
/// # Cancel safety
///
/// Dropped, it drops the body.
pub(crate) fn collect<B>(body: B, length: Option<u64>, bounds: &Bounds) -> Collecting<B>
where
    B: HttpBody<Data = Bytes>,
{
    let exact = body.size_hint().exact().is_some();
    let is_empty = body.is_end_stream() && length.is_none_or(|length| length == 0);
    let body = (!is_empty).then(|| Box::pin(body));
    Collecting {
        body,
        length,
        exact,
        bounds: *bounds,
        read: Read::default(),
        timer: Timer::default(),
    }
}

/// A body that is read; see [`collect`].
#[derive(Debug)]
pub(crate) struct Collecting<B> {
    /// None if there is nothing to read.
    body: Option<Pin<Box<B>>>,
    length: Option<u64>,
    exact: bool,
    bounds: Bounds,
    read: Read,
    timer: Timer,
}

impl<B> Future for Collecting<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Output = Collected<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Collected<B>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(this.end(End::Reached)) };
        if let Poll::Ready(end) = this.read.poll(body.as_mut(), this.bounds.bytes, cx) {
            return Poll::Ready(this.end(end));
        }
        this.timer.poll(cx, this.bounds.within).map(|()| this.end(End::TooLate))
    }
}

impl<B> Collecting<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    fn end(&mut self, end: End) -> Collected<B> {
        let (read, body) = (std::mem::take(&mut self.read), self.body.take());
        let (why, rest, error) = match end {
            End::Reached if self.length.is_none_or(|length| length == read.bytes as u64) => {
                let (data, trailers) = read.join();
                return Collected::Whole(Whole { data, trailers, exact: self.exact });
            }
            End::Reached => (Why::WrongLength, None, None),
            End::Broken(error) => (Why::Broken, None, Some(error)),
            End::TooLong => (Why::TooLong, body, None),
            End::TooLate => (Why::TooSlow, body, None),
        };
        let mut frames = read.frames();
        frames.extend(error.map(Err));
        Collected::Not(Body::resumed(frames, rest), why)
    }
}

type Frames = VecDeque<Result<Frame<Bytes>, BoxError>>;

#[derive(Debug, Default)]
struct Read {
    /// The data of the first frame, apart since most bodies have but one.
    first: Option<Bytes>,
    /// All others.
    rest: VecDeque<Frame<Bytes>>,
    /// Of data.
    bytes: usize,
    /// Frames that came, those that said nothing included.
    came: usize,
}

enum End {
    Reached,
    Broken(BoxError),
    TooLong,
    TooLate,
}

impl Read {
    fn poll<B>(&mut self, mut body: Pin<&mut B>, most: usize, cx: &mut Context<'_>) -> Poll<End>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        while !body.is_end_stream() {
            match ready!(body.as_mut().poll_frame(cx)) {
                None => break,
                Some(Err(error)) => return Poll::Ready(End::Broken(error.into())),
                Some(Ok(frame)) if is_empty(&frame) => {}
                Some(Ok(frame)) => {
                    self.bytes += frame.data_ref().map_or(0, Bytes::len);
                    self.push(frame);
                }
            }
            self.came += 1;
            if self.bytes > most || self.came > most_frames(most) {
                return Poll::Ready(End::TooLong);
            }
        }
        Poll::Ready(End::Reached)
    }

    fn push(&mut self, frame: Frame<Bytes>) {
        if self.first.is_some() || !self.rest.is_empty() {
            return self.rest.push_back(frame);
        }
        match frame.into_data() {
            Ok(data) => self.first = Some(data),
            Err(frame) => self.rest.push_back(frame),
        }
    }

    fn frames(self) -> Frames {
        self.first.map(Frame::data).into_iter().chain(self.rest).map(Ok).collect()
    }

    fn join(self) -> (Bytes, Trailers) {
        if self.rest.is_empty() {
            return (self.first.unwrap_or_default(), None);
        }
        let (mut pieces, mut trailers) = (Vec::from_iter(self.first), None);
        for frame in self.rest {
            match frame.into_data() {
                Ok(data) => pieces.push(data),
                Err(frame) => trailers = frame.into_trailers().ok().map(Box::new),
            }
        }
        let data = match pieces.len() {
            0 => Bytes::new(),
            1 => pieces.remove(0),
            _ => {
                let mut all = BytesMut::with_capacity(self.bytes);
                pieces.iter().for_each(|piece| all.extend_from_slice(piece));
                all.freeze()
            }
        };
        (data, trailers)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 4, within: Duration::from_secs(5) };

    /// Gives these frames, then breaks, ends, or never comes back.
    struct Script(VecDeque<Result<Frame<Bytes>, &'static str>>, Last);

    #[derive(PartialEq)]
    enum Last {
        End,
        Silence,
    }

    impl HttpBody for Script {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            match self.0.pop_front() {
                None if self.1 == Last::Silence => Poll::Pending,
                next => Poll::Ready(next),
            }
        }
    }

    fn script(pieces: &[&'static str], last: Last) -> Script {
        Script(pieces.iter().map(|piece| Ok(Frame::data((*piece).into()))).collect(), last)
    }

    async fn passed_on<B>(body: Body<B>) -> Result<Bytes, BoxError>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        Ok(body.collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn a_body_within_the_limits_is_whole_with_its_trailers() {
        let trailers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("x"))]);
        let mut body = script(&["ab", "cd"], Last::End);
        body.0.push_back(Ok(Frame::trailers(trailers.clone())));
        let Collected::Whole(whole) = collect(body, Some(4), &BOUNDS).await else { panic!() };
        assert_eq!(
            (whole.data, whole.trailers, whole.exact),
            ("abcd".into(), Some(Box::new(trailers)), false)
        );
        let Collected::Whole(whole) = collect(Full::new(Bytes::from("a")), None, &BOUNDS).await
        else {
            panic!()
        };
        assert!(whole.exact);
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_a_limit_is_passed_on_in_order() {
        let long = collect(script(&["abc", "de", "f"], Last::End), None, &BOUNDS).await;
        let Collected::Not(body, Why::TooLong) = long else { panic!() };
        assert_eq!(passed_on(body).await.unwrap(), "abcdef");

        let slow = collect(script(&["a"], Last::Silence), None, &BOUNDS).await;
        let Collected::Not(mut body, Why::TooSlow) = slow else { panic!() };
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    }

    #[tokio::test]
    async fn frames_are_bounded_as_bytes_are() {
        let bounds = Bounds { bytes: 640, ..BOUNDS };
        let empty = collect(script(&[""; 70], Last::End), None, &bounds).await;
        let Collected::Whole(whole) = empty else { panic!() };
        assert!(whole.data.is_empty());
        for (piece, all) in [("", ""), ("a", &"a".repeat(80))] {
            let many = collect(script(&[piece; 80], Last::End), None, &bounds).await;
            let Collected::Not(body, Why::TooLong) = many else { panic!("{piece:?}") };
            assert_eq!(passed_on(body).await.unwrap(), all);
        }
    }

    /// Gives nothing between two frames, and is woken at once.
    struct Halting(Script, bool);

    impl HttpBody for Halting {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            self.1 = !self.1;
            if self.1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Pin::new(&mut self.0).poll_frame(cx)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_counts_however_often_it_has_to_be_waited_for() {
        let halting = |pieces: &[_]| Halting(script(pieces, Last::End), false);
        let Collected::Whole(whole) = collect(halting(&["ab", "cd"]), None, &BOUNDS).await else {
            panic!()
        };
        assert_eq!(whole.data, "abcd");
        let long = collect(halting(&["abc", "de"]), None, &BOUNDS).await;
        assert!(matches!(long, Collected::Not(_, Why::TooLong)));
        let bounds = Bounds { bytes: 640, ..BOUNDS };
        let many = collect(halting(&["a"; 80]), None, &bounds).await;
        assert!(matches!(many, Collected::Not(_, Why::TooLong)));
    }

    #[tokio::test]
    async fn what_says_nothing_is_not_kept() {
        let mut read = Read::default();
        let mut body = Box::pin(script(&["", "a", "", "", "b", ""], Last::End));
        let end = std::future::poll_fn(|cx| read.poll(body.as_mut(), 4, cx)).await;
        assert!(matches!(end, End::Reached));
        assert_eq!((read.bytes, read.frames().len()), (2, 2));
    }

    #[tokio::test]
    async fn an_error_comes_after_what_was_read() {
        let mut body = script(&["a"], Last::End);
        body.0.push_back(Err("broken"));
        let Collected::Not(mut body, Why::Broken) = collect(body, None, &BOUNDS).await else {
            panic!()
        };
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "broken");
    }

    #[tokio::test]
    async fn a_length_that_is_wrong_is_found_out() {
        let short = collect(Full::new(Bytes::from("abc")), Some(4), &BOUNDS).await;
        let Collected::Not(body, Why::WrongLength) = short else { panic!() };
        assert_eq!(passed_on(body).await.unwrap(), "abc");
    }

    #[test]
    fn what_does_not_end_is_not_read() {
        let must = |status: StatusCode, headers: &[(header::HeaderName, &'static str)], lower| {
            let value = |text| HeaderValue::from_static(text);
            let headers = headers.iter().map(|(name, text)| (name.clone(), value(text)));
            let mut hint = SizeHint::new();
            hint.set_lower(lower);
            must_stream(status, &headers.collect(), &hint, 4)
        };
        let ok = StatusCode::OK;
        assert!(!must(ok, &[], 4));
        assert!(must(ok, &[], 5));
        assert!(must(ok, &[(header::CONTENT_LENGTH, "5")], 0));
        assert!(must(ok, &[(header::CONTENT_TYPE, "Text/Event-Stream; charset=utf-8")], 0));
        assert!(must(ok, &[(header::CONTENT_TYPE, "multipart/x-mixed-replace")], 0));
        assert!(must(StatusCode::SWITCHING_PROTOCOLS, &[], 0));
    }
}
