//! A cached read: a thin generic shell over the engine.

use std::{
    fmt,
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use tracing::Instrument as _;

#[cfg(feature = "bloom")]
use super::Question;
use super::{Form, Plain, Plan, Site};
use crate::{
    cache::{Answer, Cache, Context, Policy, Start, Status, Step, Wants, Way},
    error::Error,
    flight::Verdict,
    key::{KeyBuf, Tag},
    sync,
};

/// Who reads, and through which cache.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The annotated function.
    pub site: &'static Site,
    /// `cache = expr`; else the scope's, else the installed one.
    pub cache: Option<&'a Cache>,
    /// What the caller depends on besides its key: eight at most.
    pub tags: &'a [Tag],
    /// Whether an argument is a connection inside an open transaction: then nothing is cached.
    pub in_transaction: bool,
    /// What a filter is to be asked, if it comes to a look-up.
    pub filter: Option<&'a Question<'a>>,
}

impl<'a> Call<'a> {
    /// A call outside transactions that names neither tags nor a filter.
    pub fn new(site: &'static Site, cache: Option<&'a Cache>) -> Self {
        Self { site, cache, tags: &[], in_transaction: false, filter: None }
    }
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
    policy: &Policy,
    form: Form<R>,
    body: F,
) -> Read<R, impl Future<Output = R> + use<R, F, Fut>>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    read_by(call, key, policy, form, Plain::new(body))
}

/// [`read`] for a caller that can also load in the background, once an entry is old.
pub fn read_ahead<R, P, Fut>(
    call: Call<'_>,
    key: &KeyBuf,
    policy: &Policy,
    form: Form<R>,
    plan: P,
) -> Read<R, impl Future<Output = R> + use<R, P, Fut>>
where
    P: Plan<R, Load = Fut>,
    Fut: Future<Output = R>,
{
    read_by(call, key, &policy.in_background(), form, plan)
}

/// [`read`] by a plan.
// The load's type is a parameter: whether the future is `Send` would else be asked of a projection, for lifetimes that
// nobody wrote.
#[inline]
pub fn read_by<R, P, Fut>(
    call: Call<'_>,
    key: &KeyBuf,
    policy: &Policy,
    form: Form<R>,
    plan: P,
) -> Read<R, impl Future<Output = R> + use<R, P, Fut>>
where
    P: Plan<R, Load = Fut>,
    Fut: Future<Output = R>,
{
    let wants = Wants {
        policy,
        codec: form.codec,
        optional: form.absent.is_some(),
        timed: form.fail.is_some(),
    };
    let answer = match Start::of(&call, key, &wants) {
        Start::Hit(answer) => Ok(answer),
        Start::Due(answer, renewal) => {
            if let Some(job) = plan.job(renewal.old().value()) {
                renewal.spawn(job, &Context::current());
            }
            Ok(answer)
        }
        Start::Way(way) => Err(way),
    };
    let way = match answer {
        Ok(answer) => match from_answer(&form, answer) {
            Some(out) => return Read(State::Ready(Some(out))),
            None => Way::past_the_cache(&call, "type"),
        },
        Err(way) => way,
    };
    go_on(way, form, form.fail.zip(policy.time_limit()), plan)
}

/// A read that is no hit in this process. Kept out of the hit's code.
#[cold]
fn go_on<R, P, Fut>(
    way: Box<Way>,
    form: Form<R>,
    limit: Option<Limit<R>>,
    plan: P,
) -> Read<R, impl Future<Output = R> + use<R, P, Fut>>
where
    P: Plan<R, Load = Fut>,
    Fut: Future<Output = R>,
{
    let span = way.span();
    Read(State::Pending(Box::pin(find(way, form, limit, plan).instrument(span))))
}

/// Looks for a hit, and goes the way from there if it was none: in a box of its own, for the future of a hit is to be
/// small however large that of the body is.
async fn find<R, P, Fut>(mut way: Box<Way>, form: Form<R>, limit: Option<Limit<R>>, plan: P) -> R
where
    P: Plan<R, Load = Fut>,
    Fut: Future<Output = R>,
{
    let mut seen = if limit.is_none() { way.look().await } else { None };
    way.renew(|old| plan.job(old));
    if let Some(verdict) = seen.take_if(|verdict| !way.may_do_better(verdict, false)) {
        way.note_answer(&verdict);
        way.report(&verdict);
        match from_verdict(&form, verdict, &mut None) {
            Some(out) => return out,
            None => way.go_past_other_type(),
        }
    }
    Box::pin(go(way, form, limit, plan, seen)).await
}

/// Goes the way to its end, or until time is up; `seen` is what it has met already.
async fn go<R, P, Fut>(
    mut way: Box<Way>,
    form: Form<R>,
    limit: Option<Limit<R>>,
    mut plan: P,
    seen: Option<Verdict>,
) -> R
where
    P: Plan<R, Load = Fut>,
    Fut: Future<Output = R>,
{
    let mut own = None;
    let answer = answer(&mut way, &form, &mut plan, &mut own, seen);
    let Some((fail, limit)) = limit else { return answer.await };
    if let Some(out) = sync::at_most(Some(limit), Box::pin(answer)).await {
        return out;
    }
    let error = way.time_is_up(limit);
    let verdict = match own.is_some() {
        // What it has loaded and could not fill in time is an answer all the same.
        true => Verdict::Own(Status::Loaded),
        false => way.fall_back_soon().await.unwrap_or(Verdict::Refused),
    };
    way.report(&verdict);
    from_verdict(&form, verdict, &mut own).unwrap_or_else(|| fail(error))
}

/// How to tell that time is up, and when it is.
type Limit<R> = (fn(Error) -> R, Duration);

/// Finds an answer. The body runs at most once: it may consume what it borrows.
async fn answer<R, P, Fut>(
    way: &mut Box<Way>,
    form: &Form<R>,
    plan: &mut P,
    own: &mut Option<R>,
    seen: Option<Verdict>,
) -> R
where
    P: Plan<R, Load = Fut>,
    Fut: Future<Output = R>,
{
    let mut failed = false;
    let mut step = seen.map(Step::Done);
    loop {
        let next = match step.take() {
            Some(step) => step,
            None => way.next().await,
        };
        let mut verdict = match next {
            Step::Done(verdict) => verdict,
            Step::Load => {
                let load: Fut = plan.load(way.old());
                let out = way.body_context().scope(load).await;
                let split = way.is_shared().then(|| (form.split)(&out));
                let ttl = split.as_ref().and_then(|_| plan.ttl(&out));
                failed = way.note(split.as_ref());
                // Moved before the await: nothing there may refer to it, since it need not be `Sync`.
                *own = Some(out);
                let settled = way.settle(split, ttl).await;
                match settled {
                    Some(verdict) => verdict,
                    None => continue,
                }
            }
        };
        way.renew(|old| plan.job(old));
        way.note_answer(&verdict);
        // With a load behind it there is none to begin again with.
        let last = own.is_some() && matches!(verdict, Verdict::Answer(..));
        if !last && way.may_do_better(&verdict, failed) {
            match Box::pin(way.do_better(verdict)).await {
                Some(better) => verdict = better,
                None => continue,
            }
        }
        way.report(&verdict);
        let refused = matches!(verdict, Verdict::Refused);
        if let Some(out) = from_verdict(form, verdict, own) {
            return out;
        }
        if let (true, None, Some(fail)) = (refused, own.as_ref(), form.fail) {
            return fail(way.is_crowded_out());
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
        Verdict::Alone | Verdict::Refused => None,
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
