//! Requests whose body is part of what they ask for.

use std::{future::poll_fn, sync::Arc};

use http::{Request, Response, request::Parts};
use tower_service::Service;

use super::{
    cache_status::CacheStatus,
    drive::Drive,
    observe::{self, Outcome},
    request::Passed,
    settings::Shared,
};
use crate::{
    Body, Kind,
    collect::{self, Collected},
    handler::{Handler, Readable},
};

/// Reads a request and answers it; passes it on as it came where its body is not what is looked for.
pub(super) async fn answer<S, B, R>(
    shared: Arc<Shared>,
    service: S,
    mut parts: Parts,
    body: B,
) -> Result<Response<Body<R>>, S::Error>
where
    S: Handler<B, R>,
    B: Readable,
    R: Readable,
{
    let kind = shared.settings.kind(&parts);
    let length = collect::content_length(&parts.headers);
    let whole = match collect::collect(body, length, &shared.settings.request).await {
        Collected::Whole(whole) => whole,
        Collected::Not(body, why) => {
            let passed = Passed::bypass(kind, why.as_str());
            return pass(shared, service, Request::from_parts(parts, body), passed).await;
        }
    };
    let admitted = match whole.trailers {
        Some(_) => Err(Passed::bypass(kind, "trailers")),
        None => shared.wanted(&mut parts, kind, Some(&whole.data)),
    };
    match admitted {
        Ok(wanted) => Drive::new(shared, wanted).answer::<S, B, R>(service, parts).await,
        Err(passed) => {
            let request = Request::from_parts(parts, whole.into_body());
            pass(shared, service, request, passed).await
        }
    }
}

async fn pass<S, B, R>(
    shared: Arc<Shared>,
    mut service: S,
    request: Request<Body<B>>,
    passed: Passed,
) -> Result<Response<Body<R>>, S::Error>
where
    S: Service<Request<Body<B>>, Response = Response<R>>,
{
    observe::request(&shared.settings.name, Outcome::Bypass, passed.reason);
    poll_fn(|cx| service.poll_ready(cx)).await?;
    let mut response = service.call(request).await?.map(Body::through);
    if passed.kind == Kind::Http {
        let status = CacheStatus::passed(passed.why, passed.detail());
        shared.settings.tell(&mut response, status, None);
    }
    Ok(response)
}
