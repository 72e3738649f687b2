//! How a read loads: with what its caller lent, or also, in the background, with what it owns.

use std::fmt;

use super::{IntoTtl, Opened, Shape, ShapeKind, Shared, Split};
pub use crate::cache::{Brought, Job};
use crate::ttl::Ttl;

/// The loads of one read. The first runs at most once, in the caller's task.
pub trait Plan<R> {
    /// The future of the first load.
    type Load: Future<Output = R>;

    /// Begins the first load; `old` is there meanwhile.
    fn load(&mut self, old: Option<Shared>) -> Self::Load;

    /// How long its output is good, if that says so.
    fn ttl(&self, _: &R) -> Option<Ttl> {
        None
    }

    /// A load that owns what it needs, where the read can be made once more; not called after `load`.
    fn job(&self, _old: Option<Shared>) -> Option<Job> {
        None
    }
}

const ONCE: &str = "a body runs at most once a call";

/// A body that is there once.
pub struct Plain<F>(Option<F>);

impl<F> Plain<F> {
    /// To be called at most once.
    pub fn new(load: F) -> Self {
        Self(Some(load))
    }
}

impl<R, F, Fut> Plan<R> for Plain<F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    type Load = Fut;

    fn load(&mut self, _: Option<Shared>) -> Fut {
        (self.0.take().expect(ONCE))()
    }
}

/// A body that is given what is there meanwhile.
pub(crate) struct Comparing<F>(Option<F>);

impl<F> Comparing<F> {
    /// To be called at most once.
    pub(crate) fn new(load: F) -> Self {
        Self(Some(load))
    }
}

impl<R, F, Fut> Plan<R> for Comparing<F>
where
    F: FnOnce(Option<Shared>) -> Fut,
    Fut: Future<Output = R>,
{
    type Load = Fut;

    fn load(&mut self, old: Option<Shared>) -> Fut {
        (self.0.take().expect(ONCE))(old)
    }
}

/// A body with its arguments, which can also be cloned.
pub struct Owning<A, F, J> {
    args: Option<A>,
    load: Option<F>,
    job: J,
}

impl<A, F, J> Owning<A, F, J> {
    /// `load` is given the arguments; `job` looks at them before that, and takes copies.
    pub fn new<Fut>(args: A, load: F, job: J) -> Self
    where
        F: FnOnce(A) -> Fut,
        J: Fn(&A) -> Job,
    {
        Self { args: Some(args), load: Some(load), job }
    }
}

impl<R, A, F, J, Fut> Plan<R> for Owning<A, F, J>
where
    F: FnOnce(A) -> Fut,
    Fut: Future<Output = R>,
    J: Fn(&A) -> Job,
{
    type Load = Fut;

    fn load(&mut self, _: Option<Shared>) -> Fut {
        (self.load.take().expect(ONCE))(self.args.take().expect(ONCE))
    }

    fn job(&self, _: Option<Shared>) -> Option<Job> {
        self.args.as_ref().map(&self.job)
    }
}

/// A plan whose output says how long it is good.
pub struct Timed<P, L> {
    plan: P,
    ttl: L,
}

impl<P, L> Timed<P, L> {
    /// `ttl` is given the output of the first load.
    pub fn new(plan: P, ttl: L) -> Self {
        Self { plan, ttl }
    }
}

impl<R, P: Plan<R>, L: Fn(&R) -> Option<Ttl>> Plan<R> for Timed<P, L> {
    type Load = P::Load;

    fn load(&mut self, old: Option<Shared>) -> P::Load {
        self.plan.load(old)
    }

    fn ttl(&self, out: &R) -> Option<Ttl> {
        (self.ttl)(out)
    }

    fn job(&self, old: Option<Shared>) -> Option<Job> {
        self.plan.job(old)
    }
}

/// What `ttl = |value| ..` says of an output that holds a value.
pub fn ttl_of<K, R, T, E, L, I>(
    _: &Shape<K, R, T, E>,
    ttl: L,
) -> impl Fn(&R) -> Option<Ttl> + Copy + use<K, R, T, E, L, I>
where
    K: ShapeKind<R, T, E>,
    L: Fn(&T) -> I + Copy,
    I: IntoTtl,
{
    move |out| match K::open(out) {
        Opened::Value(value) => Some(ttl(value).into_ttl()),
        Opened::Absent | Opened::Failed(_) => None,
    }
}

/// What a load in the background brought.
pub fn brought<R>(split: fn(&R) -> Split, ttl: Option<Ttl>, out: &R) -> Brought {
    Brought(split(out), ttl)
}

/// A copy of an argument of type `&T`, for a load in the background.
pub fn owned<T: ToOwned + ?Sized>(argument: &T) -> T::Owned {
    argument.to_owned()
}

/// The copy, lent to that load.
pub fn lent<T: ToOwned + ?Sized>(owned: &T::Owned) -> &T {
    std::borrow::Borrow::borrow(owned)
}

/// A copy of an argument that is passed by value.
pub fn copied<T: Clone>(argument: &T) -> T {
    argument.clone()
}

impl<F> fmt::Debug for Plain<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain")
    }
}

impl<A, F, J> fmt::Debug for Owning<A, F, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owning")
    }
}

impl<P, L> fmt::Debug for Timed<P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timed")
    }
}
