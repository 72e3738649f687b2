//! What came of a unary gRPC call: one message and its status, or a status alone.

use std::{collections::VecDeque, pin::Pin};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, header::HeaderValue};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;

use super::{
    judge::Verdict,
    run::{End, Failure},
    snapshot::{Snapshot, Span},
};
use crate::{
    Body, BoxError,
    collect::{self, Whole},
    grpc,
    time::within,
};

/// The answer of a unary call, or a body that is to be passed on as it comes.
enum Read<R> {
    Unary(Whole),
    Not(Body<R>),
}

/// Judges an answer and makes a snapshot of it.
pub(super) async fn take<R, E>(end: &End<R, E>, response: Response<R>) -> Result<Snapshot, Failure>
where
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    let settings = &end.shared.settings;
    let (parts, body) = response.into_parts();
    if super::headers::sets_cookie(&parts.headers) {
        let response = Response::from_parts(parts, Body::through(body));
        return Err(end.keep_to_caller(response, "set-cookie"));
    }
    let whole = match read(body, settings.response.bytes, settings.response.within).await {
        Read::Unary(whole) => whole,
        Read::Not(body) => {
            return Err(end.keep_to_caller(Response::from_parts(parts, body), "streamed"));
        }
    };
    if let Some(reason) = end.late_tag() {
        return Err(end.tagged_late(Response::from_parts(parts, whole.into_body()), reason));
    }
    let verdict = match status_of(&parts.headers, &whole) {
        _ if parts.status != http::StatusCode::OK => Verdict::Private("status"),
        status => settings.rules.judge_grpc(status, parts.extensions.get().copied()),
    };
    match verdict {
        Verdict::Stored(span) => Ok(end.snapshot(parts, whole, span, None)),
        Verdict::Shared(reason) => Ok(end.snapshot(parts, whole, Span::default(), Some(reason))),
        Verdict::Failed(reason) => end.told(end.snapshot(parts, whole, Span::FAILED, Some(reason))),
        Verdict::Private(reason) => {
            let response = Response::from_parts(parts, whole.into_body());
            Err(end.keep_to_caller(response, reason))
        }
    }
}

/// The `grpc-status`, if there is the message that it says there is.
fn status_of(headers: &HeaderMap, whole: &Whole) -> Option<u32> {
    const NAME: &str = "grpc-status";
    let trailers = whole.trailers.as_ref().and_then(|trailers| trailers.get(NAME));
    let line: &HeaderValue = trailers.or_else(|| headers.get(NAME))?;
    let status: u32 = line.to_str().ok()?.parse().ok()?;
    let messages_fit = match status {
        0 => grpc::only_frame(&whole.data).is_some(),
        _ => whole.data.is_empty(),
    };
    messages_fit.then_some(status)
}

/// Reads up to the trailers of one message. A second one shows that more may come at any time: what was read is passed
/// on at once, and the rest as it comes.
async fn read<R>(body: R, most: usize, limit: std::time::Duration) -> Read<R>
where
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    let mut body = Box::pin(body);
    let mut frames = VecDeque::new();
    let mut bytes = 0;
    let whole = within(limit, unary(body.as_mut(), &mut frames, &mut bytes, most)).await;
    match whole {
        Some(true) => Read::Unary(join(frames)),
        _ => Read::Not(Body::resumed(frames, Some(body))),
    }
}

type Frames = VecDeque<Result<Frame<Bytes>, BoxError>>;

/// Whether the body came to its end with one message at most.
async fn unary<R>(
    mut body: Pin<&mut R>,
    frames: &mut Frames,
    bytes: &mut usize,
    most: usize,
) -> bool
where
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    let mut head = BytesMut::with_capacity(5);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Into::into);
        let data = frame.as_ref().ok().and_then(Frame::data_ref).cloned();
        let broken = frame.is_err();
        if !frame.as_ref().is_ok_and(collect::is_empty) {
            frames.push_back(frame);
        }
        if broken || frames.len() > collect::most_frames(most) {
            return false;
        }
        let Some(data) = data else { continue };
        *bytes += data.len();
        head.extend_from_slice(&data[..data.len().min(5_usize.saturating_sub(head.len()))]);
        if *bytes > most || is_beyond_one(&head, *bytes) {
            return false;
        }
    }
    true
}

/// Whether there is more than the message whose head this is.
fn is_beyond_one(head: &[u8], bytes: usize) -> bool {
    let Some((head, _)) = head.split_first_chunk::<5>() else { return false };
    let [_, length @ ..] = *head;
    bytes > 5 + u32::from_be_bytes(length) as usize
}

fn join(frames: Frames) -> Whole {
    let (mut data, mut trailers) = (BytesMut::new(), None);
    for frame in frames.into_iter().flatten() {
        match frame.into_data() {
            Ok(piece) => data.extend_from_slice(&piece),
            Err(frame) => trailers = frame.into_trailers().ok().map(Box::new),
        }
    }
    Whole { data: data.freeze(), trailers, exact: false }
}
