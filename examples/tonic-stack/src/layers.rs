//! Which layers a call goes through, and in which order: the first of a `ServiceBuilder` is the outermost.

use std::{any::Any, error::Error, net::IpAddr, sync::Arc, time::Duration};

use cachekit::{
    Cache,
    bloom::Bloom,
    key,
    tower::{
        BloomLayer, BoxError, BuildError, CacheLayer, InvalidateLayer, LockLayer, Principal,
        ScopeLayer, SingleflightLayer, SplitLayer,
    },
};
use http::request::Parts;
use tokio::net::TcpListener;
use tonic::{
    Request, Status,
    body::Body,
    service::{InterceptorLayer, LayerExt as _},
    transport::{
        Server,
        server::{TcpConnectInfo, TcpIncoming},
    },
};
use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer, load_shed::LoadShedLayer};
use tower_governor::{
    GovernorError, GovernorLayer, governor::GovernorConfigBuilder, key_extractor::KeyExtractor,
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    map_response_body::MapResponseBodyLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    trace::TraceLayer,
};
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, FailureClassifier};

use crate::{
    pb::{
        GetUserRequest, PayRequest, RenameRequest, SalesRequest, orders_server::OrdersServer,
        reports_server::ReportsServer, users_server::UsersServer,
    },
    shop::Shop,
};

const GET_USER: &str = "/shop.Users/GetUser";
const RENAME: &str = "/shop.Users/Rename";
const PAY: &str = "/shop.Orders/Pay";
const SALES: &str = "/shop.Reports/Sales";

/// Signs session tokens and hides principals; a real service reads it from where its secrets are.
const SECRET: [u8; 32] = *b"for this example and nobody else";

/// Serves the shop in all its layers, until `stop`.
///
/// # Errors
///
/// Layers that make no sense say so before anything is served, with all that is wrong.
pub async fn serve(
    cache: &Cache,
    users: &Bloom<i64>,
    shop: Shop,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    // At most 2000 calls at once from an address, and one more each millisecond.
    let mut rate = GovernorConfigBuilder::default().key_extractor(PeerIp);
    let rate = rate.per_millisecond(1).burst_size(2000).finish().ok_or("the rate is zero")?;

    let lock = LockLayer::builder(cache).lease("10s").wait("50ms");
    let stale = InvalidateLayer::builder(cache);
    let breaker = CircuitBreakerLayer::builder().failure_classifier_type(Broken);

    let stack = ServiceBuilder::new()
        // What comes from outside gets a name, and what happens to it is told under that name.
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(TraceLayer::new_for_grpc())
        .layer(PropagateRequestIdLayer::x_request_id())
        // A panic is the answer INTERNAL, and not the end of a stream.
        .layer(CatchPanicLayer::custom(panicked))
        .layer(GovernorLayer::<_, _, Body>::new(Arc::new(rate)))
        .layer(MapResponseBodyLayer::new(Body::new))
        // From here on handlers, and the streams that they answer with, have this cache.
        .layer(ScopeLayer::new(cache.clone()))
        // Reads after a client's own write see it, in every process, by a token in the metadata.
        .layer(SplitLayer::builder(cache).secret(SECRET).reads([GET_USER, SALES]).build()?)
        // Outside the cache, else a token that was taken back would be answered until its entry ends. `with_interceptor`
        // stands around the handler alone, which is inside.
        .layer(InterceptorLayer::new(authenticate))
        // Ids that were never given out end here, before the cache is asked.
        .layer(
            BloomLayer::builder(users).method(GET_USER, |m: &GetUserRequest| Some(m.id)).build()?,
        )
        // One run for all who ask at once, and its answer for half a minute; writes of `user:<id>` drop it.
        .layer(entries(cache)?)
        // One payment of an order at a time, in all processes. Who comes meanwhile is told when to come again.
        .layer(lock.method(PAY, |m: &PayRequest| key!("order:<m.id>")).build()?)
        // Before the trailers of a write go out, what it made stale is gone.
        .layer(stale.method(RENAME, |m: &RenameRequest| key!("user:<m.id>")).build()?)
        // What is answered further out waits for no permit; what is too much is refused at once.
        .map_err(overloaded)
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(64))
        .layer(breaker.build()?);

    Server::builder()
        // Outside everything. What others wait for, or what holds a lock, is finished all the same.
        .timeout(Duration::from_secs(10))
        .layer(stack)
        .add_service(UsersServer::new(shop.clone()))
        .add_service(OrdersServer::new(shop.clone()))
        // A layer for one service; what is named so stands inside the layers above, and who waits has a permit.
        .add_service(reports()?.named_layer(ReportsServer::new(shop)))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop)
        .await?;
    Ok(())
}

/// Users by their ids, an entry for each who asks.
fn entries(cache: &Cache) -> Result<CacheLayer, BuildError> {
    CacheLayer::builder(cache)
        .ttl("30s±3s")
        .negative_ttl("5s")
        .per_principal(principal)
        .identity_secret(SECRET)
        .method(GET_USER, |m: &GetUserRequest| key!("user:<m.id>"))
        .build()
}

/// Reports that many ask for at once are made once or twice, and not kept: whoever asks is given one that was begun after
/// that. No writer has to know of them.
fn reports() -> Result<SingleflightLayer, BuildError> {
    SingleflightLayer::new().method(SALES, |m: &SalesRequest| key!("sales:<m.from_cents>")).build()
}

/// Serves the same without any layer, to compare.
///
/// # Errors
///
/// Those of the server.
pub async fn serve_bare(
    shop: Shop,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    Server::builder()
        .add_service(UsersServer::new(shop.clone()))
        .add_service(OrdersServer::new(shop.clone()))
        .add_service(ReportsServer::new(shop))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop)
        .await?;
    Ok(())
}

/// Finds out who is calling; a token that is nobody's is refused, none at all is a guest's.
#[allow(clippy::result_large_err, reason = "an interceptor's")]
fn authenticate(mut request: Request<()>) -> Result<Request<()>, Status> {
    if let Some(line) = request.metadata().get("authorization") {
        let token = line.to_str().ok().and_then(|line| line.strip_prefix("Bearer "));
        let id = Shop::whose(token.unwrap_or_default());
        let id = id.ok_or_else(|| Status::unauthenticated("nobody has this token"))?;
        // For the layers: a call that has one is shared with nobody unless they are told how.
        request.extensions_mut().insert(Principal::new(id.to_be_bytes()));
    }
    Ok(request)
}

/// All guests are one: a call of nobody's would be passed by.
fn principal(head: &Parts) -> Option<Principal> {
    let user = head.extensions.get().cloned();
    Some(user.unwrap_or_else(|| Principal::new("guest")))
}

fn panicked(_: Box<dyn Any + Send>) -> http::Response<Body> {
    Status::internal("the shop is broken").into_http()
}

/// Load shed, and an open circuit.
fn overloaded(_: BoxError) -> Status {
    Status::unavailable("too much at once")
}

/// What opens the circuit.
#[derive(Clone, Copy)]
struct Broken;

impl<B, E> FailureClassifier<http::Response<B>, E> for Broken {
    fn classify(&self, result: &Result<http::Response<B>, E>) -> bool {
        const CODES: [&str; 4] = ["2", "13", "14", "15"]; // UNKNOWN, INTERNAL, UNAVAILABLE, DATA_LOSS
        let code = |answer: &http::Response<B>| {
            let code = answer.headers().get("grpc-status")?;
            code.to_str().ok().map(|code| CODES.contains(&code))
        };
        result.as_ref().map_or(true, |answer| code(answer) == Some(true))
    }
}

/// Who is rated: tonic knows them by the connection.
#[derive(Clone, Copy, Debug)]
struct PeerIp;

impl KeyExtractor for PeerIp {
    type Key = IpAddr;

    fn extract<T>(&self, request: &http::Request<T>) -> Result<IpAddr, GovernorError> {
        let peer = request.extensions().get::<TcpConnectInfo>();
        let peer = peer.and_then(TcpConnectInfo::remote_addr);
        peer.map(|peer| peer.ip()).ok_or(GovernorError::UnableToExtractKey)
    }
}
