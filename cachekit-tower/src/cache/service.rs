//! The service.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;
use tracing::Instrument as _;

use super::{
    drive::Drive, future::ResponseFuture, observe, read, request::Admission, settings::Shared,
    write,
};
use crate::{Body, BoxError, macros::wraps};

/// A service whose responses are kept; see the [module docs](super).
#[derive(Clone, Debug)]
pub struct CacheService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> CacheService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

wraps!(CacheService<S>);

impl<S, B, R> Service<Request<B>> for CacheService<S>
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
    type Future = ResponseFuture<S::Future, R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let spare = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, spare);
        let (mut parts, body) = request.into_parts();
        let shared = self.shared.clone();
        match shared.admit(&mut parts, &body) {
            Admission::Pass(passed) => {
                observe::passed(&shared.settings.name, passed.reason);
                let calling = ready.call(Request::from_parts(parts, Body::through(body)));
                ResponseFuture::passing(calling, shared, passed)
            }
            Admission::Write(groups) => {
                let request = Request::from_parts(parts, Body::through(body));
                ResponseFuture::going(write::finish(shared, groups, || ready.call(request)))
            }
            // From here on the readied service is not needed: a permit may sit in it.
            Admission::Wanted(wanted) => {
                drop(ready);
                let span = observe::span(&shared);
                let drive = Drive::new(shared, wanted);
                let answer = drive.answer::<S, B, R>(self.inner.clone(), parts);
                ResponseFuture::going(Box::pin(answer.instrument(span)))
            }
            Admission::Read => {
                drop(ready);
                let span = observe::span(&shared);
                let reading = read::answer(shared, self.inner.clone(), parts, body);
                ResponseFuture::going(Box::pin(reading.instrument(span)))
            }
        }
    }
}
