//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::{
    admit::Admission,
    caller::{Call, Callee, Caller},
    config::{Config, NAME},
    future::{Asked, ResponseFuture},
};
use crate::{
    Body, BoxError, Kind,
    collect::{Collected, collect},
    handler::{Handler, Readable},
    macros::wraps,
    observe,
};

/// A service that runs its inner one once for identical concurrent requests; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct SingleflightService<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> SingleflightService<S> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
    }
}

wraps!(SingleflightService<S>);

impl<S, B, R> Service<Request<B>> for SingleflightService<S>
where
    S: Service<Request<Body<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<Body<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let (mut parts, body) = request.into_parts();
        match self.config.admit(&mut parts, !body.is_end_stream()) {
            Admission::Pass(reason) => {
                observe::passed_by(NAME, reason);
                let request = Request::from_parts(parts, Body::through(body));
                ResponseFuture::through(ready.call(request))
            }
            Admission::Take(plan) => {
                let (config, body) = (self.config.clone(), Body::through(body));
                let asked = Asked { config, plan, ready, parts, body };
                match self.config.flights.may_lead() {
                    true => ResponseFuture::asked(asked),
                    false => ResponseFuture::flown(asked.caller().answer()),
                }
            }
            Admission::Read(kind) => {
                ResponseFuture::flown(read_first(self.config.clone(), ready, parts, body, kind))
            }
        }
    }
}

/// Reads the body of a request whose identity it is part of. The client decides how long that takes, so the service is
/// readied anew afterwards.
async fn read_first<S, B, R>(
    config: Arc<Config>,
    ready: S,
    mut parts: Parts,
    body: B,
    kind: Kind,
) -> Result<Response<Body<R>>, S::Error>
where
    S: Handler<B, R>,
    B: Readable,
    R: Readable,
{
    let mut callee = Callee::Ready(ready);
    callee.rest();
    let length = crate::collect::content_length(&parts.headers);
    let (body, plan) = match collect(body, length, &config.request).await {
        Collected::Not(body, why) => (body, Err(why.as_str())),
        Collected::Whole(whole) if whole.trailers.is_some() => (whole.into_body(), Err("trailers")),
        Collected::Whole(whole) => {
            let plan = config.plan(&mut parts, kind, Some(&whole.data));
            (whole.into_body(), plan)
        }
    };
    match plan {
        Ok(plan) => {
            let call = Some(Call::new(callee, parts, body));
            Caller { config, plan: Arc::new(plan), call }.answer().await
        }
        Err(reason) => {
            observe::passed_by(NAME, reason);
            let mut service = callee.ready().await?;
            Ok(service.call(Request::from_parts(parts, body)).await?.map(Body::through))
        }
    }
}
