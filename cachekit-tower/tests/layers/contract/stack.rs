//! The layers among those of others.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router, body::Body, error_handling::HandleErrorLayer, http::Request, response::Response,
    routing::get,
};
use cachekit_tower::BoxError;
use http::StatusCode;
use http_body_util::BodyExt as _;
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt as _, limit::ConcurrencyLimitLayer,
    load_shed::LoadShedLayer, timeout::TimeoutLayer,
};
use tower_governor::{
    GovernorLayer, governor::GovernorConfigBuilder, key_extractor::GlobalKeyExtractor,
};
use tower_http::compression::CompressionLayer;
use tower_resilience_circuitbreaker::CircuitBreakerLayer;

/// What a layer over an axum route has to be.
pub(crate) trait Routed<S>:
    Layer<
        S,
        Service: Service<
            Request<Body>,
            Response: axum::response::IntoResponse + 'static,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
                     + Send
                     + Sync
                     + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<L, S> Routed<S> for L where
    L: Layer<
            S,
            Service: Service<
                Request<Body>,
                Response: axum::response::IntoResponse + 'static,
                Error = Infallible,
                Future: Send + 'static,
            > + Clone
                         + Send
                         + Sync
                         + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

async fn handler() -> &'static str {
    "hello"
}

fn users() -> axum::routing::MethodRouter {
    get(handler).put(handler)
}

async fn ask(app: &Router, method: &str) -> Response {
    let request = Request::builder().method(method).uri("/users/1").header("host", "h");
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// `Infallible` stays so: axum takes the layer wherever it takes one.
pub(crate) async fn infallible_in_axum<L: Routed<axum::routing::Route>>(layer: L) {
    let apps = [
        Router::new().route("/users/{id}", users().layer(layer.clone())),
        Router::new().route("/users/{id}", users().route_layer(layer.clone())),
        Router::new().route("/users/{id}", users()).layer(layer.clone()),
        Router::new().route("/users/{id}", users()).route_layer(layer),
    ];
    for app in apps {
        for method in ["GET", "PUT"] {
            let response = ask(&app, method).await;
            assert_eq!(
                (response.status(), text(response).await.as_str()),
                (StatusCode::OK, "hello")
            );
        }
    }
}

type Limited = tower::load_shed::LoadShed<
    tower::limit::ConcurrencyLimit<
        tower::timeout::Timeout<
            tower_resilience_circuitbreaker::CircuitBreaker<
                axum::routing::Route,
                tower_resilience_circuitbreaker::DefaultClassifier,
            >,
        >,
    >,
>;

/// Load shed, limit, time-out and circuit breaker inside; compression and a rate limit outside.
pub(crate) async fn compiles_with_tower_stack<L>(layer: L)
where
    L: Layer<
            Limited,
            Service: Service<
                Request<Body>,
                Response: axum::response::IntoResponse + Send + 'static,
                Error = BoxError,
                Future: Send + 'static,
            > + Clone
                         + Send
                         + Sync
                         + 'static,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    let limits = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(async |_: BoxError| StatusCode::SERVICE_UNAVAILABLE))
        .layer(layer)
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(8))
        .layer(TimeoutLayer::new(Duration::from_secs(5)))
        .layer(CircuitBreakerLayer::builder().build().unwrap());
    let rate = GovernorConfigBuilder::default()
        .per_second(1)
        .burst_size(4)
        .key_extractor(GlobalKeyExtractor)
        .finish()
        .unwrap();
    let app = Router::new()
        .route("/users/{id}", users().layer(limits))
        .layer(CompressionLayer::new())
        .layer(GovernorLayer::new(Arc::new(rate)));
    for method in ["GET", "PUT", "GET", "PUT"] {
        let response = ask(&app, method).await;
        assert_eq!((response.status(), text(response).await.as_str()), (StatusCode::OK, "hello"));
    }
    assert_eq!(ask(&app, "GET").await.status(), StatusCode::TOO_MANY_REQUESTS);
}
