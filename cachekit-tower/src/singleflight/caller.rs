//! A request's way through flights, until it has an answer.

use std::sync::Arc;

use bytes::Bytes;
use cachekit_core::Scope;
use http::{Request, Response, StatusCode, request::Parts};
use http_body::Body as HttpBody;
use tower_service::Service;
use tracing::Instrument as _;

use super::{
    admit::Plan,
    config::{Config, NAME},
    run::{Shared, Started},
};
use crate::{
    Body, BoxError, Kind, Rejection, conditional,
    flight::{Handle, Own, Run, Verdict},
    observe,
};

/// How often an invalidation may come between before a request runs by itself.
const ROUNDS: usize = 3;

/// The service that is to be called.
pub(super) enum Callee<S> {
    /// It was readied, and may hold a permit.
    Ready(S),
    Not(S),
}

impl<S> Callee<S> {
    pub(super) async fn ready<Q>(self) -> Result<S, S::Error>
    where
        S: Service<Q>,
    {
        match self {
            Self::Ready(service) => Ok(service),
            Self::Not(mut service) => {
                std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
                Ok(service)
            }
        }
    }

    /// Gives a permit back: the wait may be long.
    pub(super) fn rest(&mut self)
    where
        S: Clone,
    {
        if let Self::Ready(service) = self {
            *self = Self::Not(service.clone());
        }
    }
}

/// A request that takes part.
pub(super) struct Caller<S, B> {
    pub(super) config: Arc<Config>,
    pub(super) plan: Arc<Plan>,
    /// None once its run was started.
    pub(super) call: Option<Box<Call<S, B>>>,
}

/// What is needed for a run. It is moved often, and so kept in a box.
pub(super) struct Call<S, B> {
    pub(super) callee: Callee<S>,
    pub(super) parts: Parts,
    pub(super) body: Body<B>,
}

impl<S, B> Call<S, B> {
    pub(super) fn new(callee: Callee<S>, parts: Parts, body: Body<B>) -> Box<Self> {
        Box::new(Self { callee, parts, body })
    }
}

impl<S, B, R> Caller<S, B>
where
    S: Service<Request<Body<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    pub(super) async fn answer(mut self) -> Result<Response<Body<R>>, S::Error> {
        for _ in 0..ROUNDS {
            let flights = &self.config.flights;
            let member = flights.seat(&self.plan.identity);
            if !member.leads() {
                self.rest();
            }
            let long = self.config.wait_timeout;
            match member.turn(long, |handle| self.start(handle)).await {
                Verdict::Own(own) => return self.take_own(own),
                Verdict::Shared(snapshot) => {
                    observe::flight(NAME, "joined");
                    return Ok(self.plan.conditional(snapshot.response()));
                }
                Verdict::Failed => return Ok(self.reject()),
                Verdict::Alone => break,
                Verdict::Again => observe::flight(NAME, "refused"),
            }
        }
        observe::flight(NAME, "alone");
        self.alone().await
    }

    fn rest(&mut self) {
        if let Some(call) = &mut self.call {
            call.callee.rest();
        }
    }

    /// Makes the run of this request: all that is needed for it goes along.
    fn start(&mut self, handle: Handle<Shared>) -> Run<Shared> {
        let mut call = self.call.take().expect("a request starts a run only once");
        let (config, plan) = (self.config.clone(), self.plan.clone());
        config.hide(&mut call.parts, &plan);
        let scope = call.parts.extensions.get::<Scope>().cloned();
        let run: Run<Shared> = Box::pin(Started { config, plan, call }.run(handle));
        let span = tracing::Span::current();
        // Whoever drives it, it is this request's.
        match scope {
            Some(scope) => Box::pin(async move { scope.run(run).await }.instrument(span)),
            None if span.is_none() => run,
            None => Box::pin(run.instrument(span)),
        }
    }

    /// What the run of this request made.
    fn take_own(&self, own: Own) -> Result<Response<Body<R>>, S::Error> {
        observe::flight(NAME, "led");
        let own = own.downcast::<Result<Response<Body<R>>, S::Error>>();
        let own = own.expect("a run's own answer goes to whoever started it");
        (*own).map(|response| self.plan.conditional(response))
    }

    /// Runs the handler with the request as it came, for nobody else.
    async fn alone(mut self) -> Result<Response<Body<R>>, S::Error> {
        let Some(call) = self.call.take() else { return Ok(self.reject()) };
        let Call { mut callee, parts, body } = *call;
        callee.rest();
        let mut service = callee.ready().await?;
        let response = service.call(Request::from_parts(parts, body)).await?;
        Ok(response.map(Body::through))
    }

    fn reject(&self) -> Response<Body<R>> {
        self.config.rejection(&self.plan, Rejection::FlightFailed)
    }
}

impl Plan {
    /// What the client gets of a response that it may have already.
    pub(super) fn conditional<R>(&self, response: Response<Body<R>>) -> Response<Body<R>> {
        if !self.conditions.hold_for(response.status(), response.headers()) {
            return response;
        }
        let mut response = response.map(|_| Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        conditional::not_modified(response.headers_mut());
        response
    }
}

impl Config {
    /// The answer to a request whose head went with its run.
    pub(super) fn rejection<R>(&self, plan: &Plan, rejection: Rejection) -> Response<Body<R>> {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = plan.method.clone();
        if plan.kind == Kind::Grpc {
            let grpc = http::HeaderValue::from_static("application/grpc");
            parts.headers.insert(http::header::CONTENT_TYPE, grpc);
        }
        self.rejecter.response(&rejection, &parts)
    }
}
