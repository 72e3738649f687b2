//! Which layers a request goes through, and in which order: the first of a `ServiceBuilder` is the outermost.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    BoxError, Router,
    body::Body,
    error_handling::HandleErrorLayer,
    http::{Method, StatusCode, request::Parts},
    middleware::from_fn_with_state,
    response::Response,
    routing::{get, post},
};
use cachekit::{
    Cache, Key, key,
    tower::{
        BloomLayer, CacheLayer, InvalidateLayer, KeyMissing, LockLayer, Principal, ScopeLayer,
        SplitLayer,
    },
};
use metrics_exporter_prometheus::PrometheusHandle;
use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer, load_shed::LoadShedLayer};
use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    map_response_body::MapResponseBodyLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::TimeoutLayer,
    trace::TraceLayer,
};
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, FailureClassifier};

use crate::{
    http::{UserId, authenticate, create, me, pay, rename, show},
    shop::Shop,
};

/// Signs session tokens and hides principals; a real service reads it from where its secrets are.
const SECRET: [u8; 32] = *b"for this example and nobody else";

/// The service: its routes, each in its layers.
///
/// # Errors
///
/// Layers that make no sense say so here, once, and with all that is wrong.
pub fn router(
    cache: &Cache,
    shop: Shop,
    metrics: PrometheusHandle,
) -> Result<Router, Box<dyn Error>> {
    // At most 2000 requests at once from an address, and one more each millisecond.
    let mut rate = GovernorConfigBuilder::default();
    let rate = rate.per_millisecond(1).burst_size(2000).finish().ok_or("the rate is zero")?;

    let every_route = ServiceBuilder::new()
        // What comes from outside gets a name, and what happens to it is told under that name.
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(TraceLayer::new_for_http())
        .layer(PropagateRequestIdLayer::x_request_id())
        // A panic is the answer 500, and not the end of a connection.
        .layer(CatchPanicLayer::new())
        // Outside the cache: it keeps one plain answer, and what goes out is packed for the one who asks.
        .layer(CompressionLayer::new())
        // Who waits longer is gone; what others wait for, or what holds a lock, is finished all the same.
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(10)))
        .layer(GovernorLayer::<_, _, Body>::new(Arc::new(rate)))
        .layer(MapResponseBodyLayer::new(Body::new))
        // From here on handlers, and the bodies that they stream, have this cache.
        .layer(ScopeLayer::new(cache.clone()))
        // Reads after a client's own write see it, in every process. Its cookie is gone before anybody looks for credentials.
        .layer(SplitLayer::builder(cache).secret(SECRET).build()?)
        // Outside the cache, else a token that was taken back would be answered until its entry ends.
        .layer(from_fn_with_state(shop.clone(), authenticate));

    let routes = routes(cache, &shop)?.layer(every_route).with_state(shop);
    // Neither limited nor traced.
    Ok(routes.route("/metrics", get(move || std::future::ready(metrics.render()))))
}

/// The routes in the layers of their own.
fn routes(cache: &Cache, shop: &Shop) -> Result<Router<Shop>, Box<dyn Error>> {
    // Innermost of all routes. What is answered further out waits for no permit; what is too much is refused at once.
    let breaker = CircuitBreakerLayer::builder().failure_classifier_type(ServerErrors);
    let limits = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(overloaded))
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(64))
        .layer(breaker.build()?);

    let users = CacheLayer::builder(cache).name("users").key("user:<id>").ttl("30s±3s");
    let renamed = InvalidateLayer::builder(cache).key("user:<id>").methods([Method::PUT]);
    let user = ServiceBuilder::new()
        // Ids that were never given out end here, before the cache is asked.
        .layer(BloomLayer::builder(&shop.users).key("user:<id>").build()?)
        // One run for all who ask at once, and its answer for half a minute; writes of `user:<id>` drop it.
        .layer(users.negative_ttl("5s").build()?)
        // Before a write is answered, what it made stale is gone.
        .layer(renamed.build()?)
        .layer(limits.clone());

    let mine = CacheLayer::builder(cache).name("me").key_with(own_key).ttl("30s±3s");
    let own = ServiceBuilder::new()
        // Each user has answers of their own, of the same group as above.
        .layer(mine.per_principal(principal).identity_secret(SECRET).build()?)
        .layer(limits.clone());

    let lock = LockLayer::builder(cache).key("order:<id>").lease("10s").wait("50ms");
    let payment = ServiceBuilder::new()
        // One payment of an order at a time, in all processes. Who comes meanwhile is told when to come again.
        .layer(lock.build()?)
        // Inside the lock, so that its next holder finds nothing old.
        .layer(InvalidateLayer::builder(cache).key("order:<id>").build()?)
        .layer(limits.clone());

    // The handler says what it made stale: the id is known to it alone.
    let created =
        ServiceBuilder::new().layer(InvalidateLayer::builder(cache).build()?).layer(limits);

    Ok(Router::new()
        .route("/users", post(create).layer(created))
        .route("/users/{id}", get(show).put(rename).layer(user))
        .route("/me", get(me).layer(own))
        .route("/orders/{id}/pay", post(pay).layer(payment)))
}

/// `/me` is of the group of the user who asks.
fn own_key(head: &Parts) -> Result<Key, KeyMissing> {
    let UserId(id) = head.extensions.get().ok_or(KeyMissing)?;
    Ok(key!("user:<id>"))
}

fn principal(head: &Parts) -> Option<Principal> {
    head.extensions.get().cloned()
}

/// What opens the circuit.
#[derive(Clone, Copy)]
struct ServerErrors;

impl<E> FailureClassifier<Response, E> for ServerErrors {
    fn classify(&self, result: &Result<Response, E>) -> bool {
        result.as_ref().map_or(true, |answer| answer.status().is_server_error())
    }
}

/// Load shed, and an open circuit.
async fn overloaded(_: BoxError) -> StatusCode {
    StatusCode::SERVICE_UNAVAILABLE
}
