//! A cached read: a thin generic shell over the engine.

use std::{
    fmt,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use tracing::Instrument as _;

#[cfg(feature = "bloom")]
use super::Question;
use super::{Form, Site};
use crate::{
    cache::{Answer, Cache, Policy, Start, Step, Way},
    flight::Verdict,
    key::KeyBuf,
};

/// Who reads, and through which cache.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The annotated function.
    pub site: &'static Site,
    /// `cache = expr`; else the scope's, else the installed one.
    pub cache: Option<&'a Cache>,
    /// Whether an argument is a connection inside an open transaction: then nothing is cached.
    pub in_transaction: bool,
    /// What a filter is to be asked, if it comes to a look-up.
    pub filter: Option<&'a Question<'a>>,
}

/// There are no filters.
#[cfg(not(feature = "bloom"))]
#[derive(Debug)]
pub struct Question<'a>(std::marker::PhantomData<&'a ()>);

/// The cache of `cache = expr`, whether that is a [`Cache`] or refers to one.
pub fn explicit<C: AsRef<Cache> + ?Sized>(cache: &C) -> &Cache {
    cache.as_ref()
}

/// Reads through the cache. A hit in this process is found right here; everything else is a boxed
/// future, so that the caller's own stays small.
pub fn read<R, F, Fut>(
    call: Call<'_>,
    key: &KeyBuf,
    policy: Policy,
    form: Form<R>,
    body: F,
) -> Read<R, impl Future<Output = R> + use<R, F, Fut>>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    let way = match Start::of(&call, key, policy, form.codec, form.absent.is_some()) {
        Start::Way(way) => way,
        Start::Hit(answer) => match from_answer(&form, answer) {
            Some(out) => return Read(State::Ready(Some(out))),
            None => Way::past_the_cache(&call, "type"),
        },
    };
    let span = way.span();
    Read(State::Pending(Box::pin(go(way, form, body).instrument(span))))
}

/// Goes the way to its end. The body runs at most once: it may consume what it borrows.
async fn go<R, F, Fut>(mut way: Box<Way>, form: Form<R>, body: F) -> R
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    let mut body = Some(body);
    let mut own = None;
    loop {
        let verdict = match way.next().await {
            Step::Done(verdict) => verdict,
            Step::Load => {
                let body = body.take().expect("a body runs at most once a call");
                let out = way.body_context().scope(body()).await;
                let split = way.is_shared().then(|| (form.split)(&out));
                // Moved before the await: nothing there may refer to it, since it need not be `Sync`.
                own = Some(out);
                let settled = way.settle(split).await;
                match settled {
                    Some(verdict) => verdict,
                    None => continue,
                }
            }
        };
        way.report(&verdict);
        if let Some(out) = from_verdict(&form, verdict, &mut own) {
            return out;
        }
        // Another type is stored under this key, or another error was shared: the caller's own
        // output if it has one, else its own body.
        match own.take() {
            Some(out) => return out,
            None => way.go_past_other_type(),
        }
    }
}

fn from_verdict<R>(form: &Form<R>, verdict: Verdict, own: &mut Option<R>) -> Option<R> {
    match verdict {
        Verdict::Own(_) => own.take(),
        Verdict::Answer(answer, _) => from_answer(form, answer),
        Verdict::Error(error) => form.error.and_then(|make| make(&error)),
        Verdict::Alone => None,
    }
}

fn from_answer<R>(form: &Form<R>, answer: Answer) -> Option<R> {
    match answer {
        Answer::Value(value) => (form.value)(value),
        Answer::Absent => form.absent.map(|absent| absent()),
    }
}

/// The future of a cached read.
///
/// # Cancel safety
///
/// Dropped in mid-way, callers that wait for its load go on with one of their own, and what it held
/// is given up.
#[must_use = "futures do nothing unless awaited"]
pub struct Read<R, F>(State<R, F>);

enum State<R, F> {
    Ready(Option<R>),
    Pending(Pin<Box<F>>),
}

// Nothing in it is pinned in place.
impl<R, F> Unpin for Read<R, F> {}

impl<R, F: Future<Output = R>> Future for Read<R, F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<R> {
        match &mut self.0 {
            State::Ready(out) => Poll::Ready(out.take().expect("polled after completion")),
            State::Pending(future) => future.as_mut().poll(cx),
        }
    }
}

impl<R, F> fmt::Debug for Read<R, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Ready(_) => "Read(Ready)",
            State::Pending(_) => "Read(Pending)",
        })
    }
}
