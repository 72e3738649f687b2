//! What is asked of the services inside, in one word.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::{Body, BoxError};

/// A service that may be called for others too, by whoever drives its run.
pub(crate) trait Handler<B, R>:
    Service<Request<Body<B>>, Response = Response<R>, Future: Send + 'static, Error: Send + 'static>
    + Clone
    + Send
    + 'static
{
}

impl<S, B, R> Handler<B, R> for S
where
    S: Service<Request<Body<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
}

/// The body of a response or a request that is read.
pub(crate) trait Readable:
    HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static
{
}

impl<B> Readable for B
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
}
