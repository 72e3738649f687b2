//! The response future.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    admit::Plan,
    caller::{Call, Callee, Caller},
    config::Config,
    led::Led,
};
use crate::{
    Body, BoxError,
    handler::{Handler, Readable},
};

type Flown<R, E> = Pin<Box<dyn Future<Output = Result<Response<Body<R>>, E>> + Send>>;

pin_project! {
    /// A response on its way: the handler's own, or one that a flight brings.
    ///
    /// Dropped, it leaves the flight; others in it go on. It joins none before it is polled.
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<Body<B>>>,
    {
        #[pin]
        inner: Inner<S, B, R>,
    }
}

pin_project! {
    #[project = Way]
    enum Inner<S, B, R>
    where
        S: Service<Request<Body<B>>>,
    {
        Through { #[pin] future: S::Future },
        Asked { asked: Option<Asked<S, B>> },
        Led { #[pin] led: Led<S::Future, R> },
        Flown { future: Flown<R, S::Error> },
    }
}

/// A request that takes part, and the service that was readied for it.
pub(super) struct Asked<S, B> {
    pub(super) config: Arc<Config>,
    pub(super) plan: Plan,
    pub(super) ready: S,
    pub(super) parts: Parts,
    pub(super) body: Body<B>,
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<Body<B>>>,
{
    pub(super) fn through(future: S::Future) -> Self {
        Self { inner: Inner::Through { future } }
    }

    pub(super) fn asked(asked: Asked<S, B>) -> Self {
        Self { inner: Inner::Asked { asked: Some(asked) } }
    }

    pub(super) fn flown(
        future: impl Future<Output = Result<Response<Body<R>>, S::Error>> + Send + 'static,
    ) -> Self {
        Self { inner: Inner::Flown { future: Box::pin(future) } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<Body<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Output = Result<Response<Body<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.project().inner;
        loop {
            let asked = match inner.as_mut().project() {
                Way::Through { future } => {
                    let answer = future.poll(cx);
                    return answer.map(|answer| Ok(answer?.map(Body::through)));
                }
                Way::Led { led } => return led.poll(cx),
                Way::Flown { future } => return future.as_mut().poll(cx),
                Way::Asked { asked } => asked.take(),
            };
            let asked = asked.expect("a request that panicked is not polled again");
            inner.set(asked.begin());
        }
    }
}

impl<S, B> Asked<S, B> {
    /// What joins the others.
    pub(super) fn caller(self) -> Caller<S, B> {
        let Self { config, plan, ready, parts, body } = self;
        let call = Some(Call::new(Callee::Ready(ready), parts, body));
        Caller { config, plan: Arc::new(plan), call }
    }

    /// Runs it at once where nobody else is under way, and has it join the others otherwise.
    fn begin<R>(self) -> Inner<S, B, R>
    where
        S: Handler<B, R>,
        B: Readable,
        R: Readable,
    {
        let Some(lead) = self.config.flights.lead(&self.plan.identity) else {
            return Inner::Flown { future: Box::pin(self.caller().answer()) };
        };
        let Self { config, plan, mut ready, mut parts, body } = self;
        config.hide(&mut parts, &plan);
        let request = Request::from_parts(parts, body);
        Inner::Led { led: Led::begin(config, plan, lead, &mut ready, request) }
    }
}

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<Body<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture(..)")
    }
}
