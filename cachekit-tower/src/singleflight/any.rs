//! The same for requests that are not HTTP.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use cachekit_core::Key;
use tower_layer::Layer;
use tower_service::Service;

use super::caller::Callee;
use crate::{
    Kind,
    flight::{Ended, Flights, Join, Others, Run, Verdict},
    identity::{IdentityWriter, Part},
};

const NAME: &str = "singleflight_of";

/// How long a request waits for others of its key; then it runs by itself.
const LONG: Duration = Duration::from_secs(10);

/// Runs the service once for concurrent requests of one key, whatever requests and responses are.
///
/// A request joins no run that has begun, as with [`SingleflightLayer::new`](super::SingleflightLayer::new). The key has
/// to say all that a response depends on. Errors go to the request whose run it was; one of the others runs after it,
/// and after three errors each runs by itself.
///
/// ```
/// use cachekit_core::{Key, key::RuntimeTemplate};
/// use cachekit_tower::singleflight;
/// use tower::{Service as _, ServiceBuilder, ServiceExt as _};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// fn square(n: &u64) -> Key {
///     let template = RuntimeTemplate::parse("square:<n>").expect("it is well formed");
///     let key = template.expand(|_, w| Ok::<_, std::convert::Infallible>(w.value(n)));
///     key.expect("there is nothing to go wrong")
/// }
///
/// let mut service = ServiceBuilder::new()
///     .layer(singleflight::of(square))
///     .service_fn(async |n: u64| Ok::<_, std::convert::Infallible>(n * n));
/// assert_eq!(service.ready().await?.call(3).await?, 9);
/// # Ok(())
/// # }
/// ```
pub fn of<Q, T, F>(key: F) -> OfLayer<Q, T, F>
where
    F: Fn(&Q) -> Key,
    T: Clone + Send + 'static,
{
    let flights = Flights::new(NAME, Join::Fresh, 1);
    OfLayer { shared: Arc::new(Shared { flights, key }), requests: PhantomData }
}

/// The layer that [`of`] makes.
pub struct OfLayer<Q, T, F> {
    shared: Arc<Shared<T, F>>,
    requests: PhantomData<fn(Q)>,
}

/// The service that [`of`]'s layer makes.
pub struct OfService<S, Q, T, F> {
    inner: S,
    shared: Arc<Shared<T, F>>,
    requests: PhantomData<fn(Q)>,
}

/// A response on its way.
pub struct OfFuture<T, E>(Pin<Box<dyn Future<Output = Result<T, E>> + Send>>);

struct Shared<T, F> {
    flights: Arc<Flights<T>>,
    key: F,
}

impl<S, Q, T, F> Layer<S> for OfLayer<Q, T, F> {
    type Service = OfService<S, Q, T, F>;

    fn layer(&self, inner: S) -> Self::Service {
        OfService { inner, shared: self.shared.clone(), requests: PhantomData }
    }
}

impl<S, Q, T, F> Service<Q> for OfService<S, Q, T, F>
where
    S: Service<Q, Response = T> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    Q: Send + 'static,
    T: Clone + Send + 'static,
    F: Fn(&Q) -> Key,
{
    type Response = T;
    type Error = S::Error;
    type Future = OfFuture<T, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let clone = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, clone);
        let mut identity = IdentityWriter::new(NAME, Kind::Http);
        identity.part(Part::Group, (self.shared.key)(&request).as_str());
        let (flights, identity) = (self.shared.flights.clone(), identity.finish());
        OfFuture(Box::pin(async move {
            let member = flights.seat(&identity);
            let mut callee = Callee::Ready(ready);
            if !member.leads() {
                callee.rest();
            }
            answer(member, callee, request).await
        }))
    }
}

async fn answer<S, Q, T>(
    member: crate::flight::Member<T>,
    callee: Callee<S>,
    request: Q,
) -> Result<T, S::Error>
where
    S: Service<Q, Response = T> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    Q: Send + 'static,
    T: Clone + Send + 'static,
{
    let mut call = Some((callee, request));
    let verdict = member.turn(LONG, |handle| {
        let (callee, request) = call.take().expect("a request starts a run only once");
        let run: Run<T> = Box::pin(async move {
            let answer = async {
                let mut service = callee.ready().await?;
                handle.begins();
                service.call(request).await
            };
            match answer.await {
                Ok(response) => {
                    let own: Result<T, S::Error> = Ok(response.clone());
                    Ended { own: Box::new(own), others: Others::All(response) }
                }
                Err(error) => {
                    let own: Result<T, S::Error> = Err(error);
                    Ended { own: Box::new(own), others: Others::Next { failed: true } }
                }
            }
        });
        run
    });
    match verdict.await {
        Verdict::Own(own) => {
            let own = own.downcast::<Result<T, S::Error>>();
            *own.expect("a run's own answer goes to whoever started it")
        }
        Verdict::Shared(response) => Ok(response),
        Verdict::Again | Verdict::Alone | Verdict::Failed => {
            let (mut callee, request) =
                call.take().expect("the run of this request panicked in another request's task");
            callee.rest();
            callee.ready().await?.call(request).await
        }
    }
}

impl<T, E> Future for OfFuture<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

// A derive would ask for clones of requests and responses.
impl<Q, T, F> Clone for OfLayer<Q, T, F> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), requests: PhantomData }
    }
}

impl<S: Clone, Q, T, F> Clone for OfService<S, Q, T, F> {
    fn clone(&self) -> Self {
        let (inner, shared) = (self.inner.clone(), self.shared.clone());
        Self { inner, shared, requests: PhantomData }
    }
}

impl<Q, T, F> fmt::Debug for OfLayer<Q, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfLayer(..)")
    }
}

impl<S: fmt::Debug, Q, T, F> fmt::Debug for OfService<S, Q, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<T, E> fmt::Debug for OfFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfFuture(..)")
    }
}
