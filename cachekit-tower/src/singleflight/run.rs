//! One run: the fence, the handler, its response, the verification.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, response};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::{
    admit::Plan,
    caller::Call,
    config::Config,
    read::{Read, is_complete, is_failure},
    snapshot::Snapshot,
};
use crate::{
    Body, BoxError, Rejection,
    collect::Whole,
    flight::{Audience, Ended, Handle, Others, Own},
    time::within,
};

/// What a run shares.
pub(super) type Shared = Arc<Snapshot>;

/// A request on its way to the handler.
pub(super) struct Started<S, B> {
    pub(super) config: Arc<Config>,
    pub(super) plan: Arc<Plan>,
    pub(super) call: Box<Call<S, B>>,
}

impl<S, B> Started<S, B> {
    pub(super) async fn run<R>(self, handle: Handle<Shared>) -> Ended<Shared>
    where
        S: Service<Request<Body<B>>, Response = Response<R>>,
        S::Error: Send + 'static,
        B: 'static,
        R: HttpBody<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let Self { config, plan, call } = self;
        let (config, plan) = (&*config, &*plan);
        // The permit of a service that is ready is kept for this one round trip.
        let fence = config.fence(&plan.keys).await;
        let answer = async {
            let Call { callee, parts, body } = *call;
            let mut service = callee.ready().await?;
            handle.begins();
            let response = service.call(Request::from_parts(parts, body)).await?;
            Ok::<_, S::Error>(config.read(plan, response).await)
        };
        let own = |response| own::<R, S::Error>(Ok(response));
        let failed = Others::Next { failed: true };
        match within(config.run_timeout, answer).await {
            None => {
                Ended { own: own(config.rejection(plan, Rejection::FlightFailed)), others: failed }
            }
            Some(Err(error)) => Ended { own: self::own::<R, S::Error>(Err(error)), others: failed },
            Some(Ok(Read::Broken(response))) => Ended { own: own(response), others: failed },
            Some(Ok(Read::Alone(response))) => {
                config.marks.mark(&plan.identity);
                Ended { own: own(response), others: Others::Apart }
            }
            Some(Ok(Read::Whole(parts, whole))) => {
                let others = config.others(plan, &parts, &whole, handle, fence.as_ref()).await;
                Ended { own: own(Response::from_parts(parts, whole.into_body())), others }
            }
        }
    }
}

impl Config {
    /// What becomes of the other members, the response being at hand.
    async fn others(
        &self,
        plan: &Plan,
        parts: &response::Parts,
        whole: &Whole,
        handle: Handle<Shared>,
        fence: Option<&cachekit_core::Fence>,
    ) -> Others<Shared> {
        let trailers = whole.trailers.as_deref();
        if !is_complete(plan.kind, parts, trailers) {
            return Others::Next { failed: true };
        }
        if !self.share_failures && is_failure(plan.kind, parts, trailers) {
            return Others::Next { failed: false };
        }
        let audience = handle.closes();
        if audience == Audience::Nobody {
            return Others::Nobody;
        }
        let snapshot = Arc::new(Snapshot::of(parts, whole.clone()));
        // Those who came before the run began need no verification.
        let verified = audience == Audience::Early || self.holds(fence).await;
        if verified { Others::All(snapshot) } else { Others::Early(snapshot) }
    }
}

/// What its starter takes back: see `Caller::take_own`.
fn own<R, E>(answer: Result<Response<Body<R>>, E>) -> Own
where
    R: Send + 'static,
    E: Send + 'static,
{
    Box::new(answer)
}
