//! The handlers, and who is asking.

use axum::{
    Extension, Json,
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use cachekit::{
    key,
    tower::{Invalidations, LockHandle, Principal},
};

use crate::shop::{Payment, Shop};

/// The user whose token came with the request.
#[derive(Clone, Copy)]
pub struct UserId(pub i64);

type Answer = Result<Response, Failure>;

/// Finds out who is asking; a token that is nobody's is refused, none at all is a guest's.
pub async fn authenticate(State(shop): State<Shop>, mut request: Request, next: Next) -> Answer {
    if let Some(line) = request.headers().get(header::AUTHORIZATION) {
        let token = line.to_str().ok().and_then(|line| line.strip_prefix("Bearer "));
        let Some(id) = shop.whose(token.unwrap_or_default()).await? else {
            return Ok(StatusCode::UNAUTHORIZED.into_response());
        };
        request.extensions_mut().insert(UserId(id));
        // For the layers: a request that has one is shared with nobody unless its route says how.
        request.extensions_mut().insert(Principal::new(id.to_be_bytes()));
    }
    Ok(next.run(request).await)
}

pub async fn show(State(shop): State<Shop>, Path(id): Path<i64>) -> Answer {
    called("show");
    found(&shop, id).await
}

pub async fn me(State(shop): State<Shop>, user: Option<Extension<UserId>>) -> Answer {
    called("me");
    match user {
        Some(Extension(UserId(id))) => found(&shop, id).await,
        None => Ok(StatusCode::UNAUTHORIZED.into_response()),
    }
}

async fn found(shop: &Shop, id: i64) -> Answer {
    Ok(match shop.user(id).await? {
        Some(user) => Json(user).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

pub async fn rename(State(shop): State<Shop>, Path(id): Path<i64>, name: String) -> Answer {
    let found = shop.rename(id, &name).await?;
    Ok(if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }.into_response())
}

/// The id is known only here, and that nobody has it may be in the cache.
pub async fn create(
    State(shop): State<Shop>,
    Extension(invalidations): Extension<Invalidations>,
    name: String,
) -> Answer {
    let user = shop.create(&name).await?;
    invalidations.push(key!("user:<user.id>"));
    Ok((StatusCode::CREATED, Json(user)).into_response())
}

/// Nobody else pays this order meanwhile; the lock's number refuses who only believes so.
pub async fn pay(
    State(shop): State<Shop>,
    Path(id): Path<i64>,
    Extension(lock): Extension<LockHandle>,
) -> Answer {
    called("pay");
    Ok(match shop.pay(id, lock.fencing_token()).await? {
        Payment::Done => "paid\n".into_response(),
        Payment::Nothing => (StatusCode::CONFLICT, "no such order, or paid\n").into_response(),
        Payment::TooLate => (StatusCode::CONFLICT, "another was later\n").into_response(),
    })
}

/// What is seen in `/metrics` if a handler runs.
fn called(handler: &'static str) {
    metrics::counter!("handler_calls_total", "handler" => handler).increment(1);
}

/// Anything that went wrong inside; the client is not told what.
pub struct Failure(Box<dyn std::error::Error>);

impl<E: Into<Box<dyn std::error::Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        tracing::error!(error = %self.0, "a handler failed");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
