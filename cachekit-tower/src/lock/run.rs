//! The way of a guarded request.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use cachekit_core::Key;
use http::{Request, Response, request::Parts};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::{Hold, held::Held, layer::Shared, until_end::UntilEnd};
use crate::{
    Body, BoxError, Kind, Rejection,
    outlive::Begun,
    requests::{Concern, ready},
};

/// A request on its way to its handler.
pub(super) struct Guarded<S> {
    pub(super) shared: Arc<Shared>,
    pub(super) service: S,
    pub(super) kind: Kind,
    pub(super) concern: Concern,
    pub(super) arrived: Instant,
    pub(super) begun: Begun,
}

impl<S> Guarded<S> {
    /// Waits for the lock, runs the handler under it, and releases it.
    pub(super) async fn run<B, R>(self, request: Request<B>) -> Result<Response<Body<R>>, S::Error>
    where
        S: Service<Request<Body<B>>, Response = Response<R>>,
        B: HttpBody<Data = Bytes>,
        B::Error: Into<BoxError>,
        R: HttpBody<Data = Bytes>,
    {
        let Self { shared, mut service, kind, concern, arrived, begun } = self;
        let (mut parts, body) = request.into_parts();
        let (body, keys) = keys(&shared, concern, &mut parts, body).await;
        let Some(keys) = keys else {
            return Ok(shared.reject(&Rejection::KeyMissing, kind, &parts));
        };
        let guard = match shared.acquire(&parts, keys, arrived).await {
            Ok(guard) => guard,
            Err(rejection) => return Ok(shared.reject(&rejection, kind, &parts)),
        };
        let mut held = Held::new(guard);
        if let Err(error) = ready(&mut service).await {
            held.release().await;
            return Err(error);
        }
        let asked = parts.clone();
        if let Some(handle) = held.handle() {
            parts.extensions.insert(handle);
        }
        begun.set();
        let answer = async { service.call(Request::from_parts(parts, body)).await };
        match held.run(answer).await {
            Some(Ok(response)) => Ok(finish(&shared, kind, held, response).await),
            Some(Err(error)) => {
                held.release().await;
                Err(error)
            }
            None => Ok(shared.reject(&Rejection::LockLost, kind, &asked)),
        }
    }
}

/// All keys of a request, or none where one is missing.
async fn keys<B>(
    shared: &Shared,
    concern: Concern,
    parts: &mut Parts,
    body: B,
) -> (Body<B>, Option<Vec<Key>>)
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (mut keys, all) = shared.requests.found(parts);
    if !all {
        return (Body::through(body), None);
    }
    let (body, key) = shared.requests.read(concern, parts, body).await;
    let Ok(key) = key else { return (body, None) };
    keys.extend(key);
    (body, (!keys.is_empty()).then_some(keys))
}

async fn finish<R: HttpBody<Data = Bytes>>(
    shared: &Shared,
    kind: Kind,
    held: Held,
    response: Response<R>,
) -> Response<Body<R>> {
    if shared.hold(kind) == Hold::Handler || response.body().is_end_stream() {
        held.release().await;
        return response.map(Body::through);
    }
    response.map(|body| Body::through(body).with_extra(Box::new(UntilEnd::new(held))))
}
