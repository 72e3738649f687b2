//! A run that nobody can join: polled where it stands, by the request that it is for.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use cachekit_core::Scope;
use http::{Request, Response};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    admit::Plan,
    config::{Config, NAME},
    read::{Read, Reading},
    run::Shared,
};
use crate::{Body, BoxError, Rejection, flight::Lead, observe, time::Timer};

pin_project! {
    /// The handler's answer and what becomes of it.
    ///
    /// Others of its identity wait until it is ready or dropped, so it reads the body too: they would wait for nothing if
    /// it gave out what has only begun.
    pub(super) struct Led<F, R> {
        #[pin]
        step: Step<F, R>,
        lead: Option<Lead<Shared>>,
        scope: Option<Scope>,
        config: Arc<Config>,
        plan: Plan,
        timer: Timer,
    }

    impl<F, R> PinnedDrop for Led<F, R> {
        fn drop(this: Pin<&mut Self>) {
            this.leave();
        }
    }
}

pin_project! {
    #[project = Stage]
    enum Step<F, R> {
        Called { #[pin] future: F },
        Reads { reading: Reading<R> },
        Over,
    }
}

impl<F, R> Led<F, R> {
    /// Calls the service.
    pub(super) fn begin<S, Q>(
        config: Arc<Config>,
        plan: Plan,
        lead: Lead<Shared>,
        ready: &mut S,
        request: Request<Q>,
    ) -> Self
    where
        S: Service<Request<Q>, Future = F>,
    {
        let scope = request.extensions().get::<Scope>().cloned();
        let future = in_scope(scope.as_ref(), || ready.call(request));
        Self {
            step: Step::Called { future },
            lead: Some(lead),
            scope,
            config,
            plan,
            timer: Timer::default(),
        }
    }

    /// Drops what is left of the run, and only then lets those go on who wait for its end.
    fn leave(self: Pin<&mut Self>) -> Option<Lead<Shared>> {
        let mut this = self.project();
        in_scope(this.scope.as_ref(), || this.step.set(Step::Over));
        this.lead.take()
    }
}

impl<F, R, E> Future for Led<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<Body<R>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(read) = self.as_mut().poll_read(cx) else {
            let limit = self.config.run_timeout;
            ready!(self.as_mut().project().timer.poll(cx, limit));
            self.as_mut().end(false);
            return Poll::Ready(Ok(self.config.rejection(&self.plan, Rejection::FlightFailed)));
        };
        let is_apart = matches!(read, Ok(Read::Alone(_)));
        if is_apart {
            self.config.marks.mark(&self.plan.identity);
        }
        self.as_mut().end(is_apart);
        let response = match read? {
            Read::Alone(response) | Read::Broken(response) => response,
            Read::Whole(parts, whole) => Response::from_parts(parts, whole.into_body()),
        };
        Poll::Ready(Ok(self.plan.conditional(response)))
    }
}

impl<F, R, E> Led<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Read<R>, E>> {
        let mut unwinding = Unwinding(Some(self));
        let polled = unwinding.0.as_mut().map_or(Poll::Pending, |led| led.as_mut().poll_step(cx));
        unwinding.0 = None;
        polled
    }

    fn poll_step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Read<R>, E>> {
        let mut this = self.project();
        in_scope(this.scope.as_ref(), || {
            loop {
                let reading = match this.step.as_mut().project() {
                    Stage::Called { future } => {
                        this.config.read(this.plan, ready!(future.poll(cx))?)
                    }
                    Stage::Reads { reading } => return Pin::new(reading).poll(cx).map(Ok),
                    Stage::Over => unreachable!("it is polled once it has ended"),
                };
                this.step.set(Step::Reads { reading });
            }
        })
    }

    /// `apart`: those who wait go on each by itself.
    fn end(self: Pin<&mut Self>, apart: bool) {
        observe::flight(NAME, "led");
        if let Some(lead) = self.leave() {
            lead.end(apart);
        }
    }
}

/// A run that is polled: should it panic, it is over.
struct Unwinding<'a, F, R>(Option<Pin<&'a mut Led<F, R>>>);

impl<F, R> Drop for Unwinding<'_, F, R> {
    fn drop(&mut self) {
        if let Some(led) = self.0.take() {
            led.leave();
        }
    }
}

/// Does it in the request's scope, wherever it is polled.
fn in_scope<T>(scope: Option<&Scope>, work: impl FnOnce() -> T) -> T {
    match scope {
        Some(scope) => scope.enter(work),
        None => work(),
    }
}
