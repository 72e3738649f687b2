//! The services of `proto/shop.proto`.

use std::pin::Pin;

use cachekit::tower::LockHandle;
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status};

use crate::{
    pb::{
        GetUserRequest, PayRequest, Receipt, RenameRequest, SalesReport, SalesRequest, User,
        orders_server::Orders, reports_server::Reports, users_server::Users,
    },
    shop::{self, Shop},
};

#[tonic::async_trait]
impl Users for Shop {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<User, Status>> + Send>>;

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<User>, Status> {
        called("get_user");
        let user = found(self.user(request.into_inner().id).await)?;
        let mut response = Response::new(user);
        response
            .metadata_mut()
            .insert("shop-shelf", tonic::metadata::MetadataValue::from_static("a"));
        Ok(response)
    }

    async fn rename(&self, request: Request<RenameRequest>) -> Result<Response<User>, Status> {
        let RenameRequest { id, name } = request.into_inner();
        found(Shop::rename(self, id, &name).await).map(Response::new)
    }

    async fn watch(
        &self,
        request: Request<GetUserRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        called("watch");
        let (tell, told) = mpsc::channel(1);
        let (shop, id) = (self.clone(), request.into_inner().id);
        tokio::spawn(async move {
            for _ in 0..3 {
                let user = found(shop.user(id).await);
                if tell.send(user).await.is_err() {
                    break; // nobody listens
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(told))))
    }
}

#[tonic::async_trait]
impl Orders for Shop {
    /// Nobody else pays this order meanwhile; the lock's number refuses who only believes so.
    async fn pay(&self, request: Request<PayRequest>) -> Result<Response<Receipt>, Status> {
        called("pay");
        let lock = request.extensions().get::<LockHandle>().cloned();
        let fence = lock.map_or(0, |lock| lock.fencing_token());
        let paid = Shop::pay(self, request.into_inner().id, fence).await.map_err(broken)?;
        let cents = paid.ok_or_else(|| Status::failed_precondition("no such order, or paid"))?;
        Ok(Response::new(Receipt { cents }))
    }
}

#[tonic::async_trait]
impl Reports for Shop {
    async fn sales(&self, request: Request<SalesRequest>) -> Result<Response<SalesReport>, Status> {
        called("sales");
        let from_cents = request.into_inner().from_cents;
        let (orders, cents) = Shop::sales(self, from_cents).await.map_err(broken)?;
        Ok(Response::new(SalesReport { orders, cents }))
    }
}

fn found(user: sqlx::Result<Option<shop::User>>) -> Result<User, Status> {
    let shop::User { id, name } =
        user.map_err(broken)?.ok_or_else(|| Status::not_found("no such user"))?;
    Ok(User { id, name })
}

/// The client is not told what.
fn broken(error: sqlx::Error) -> Status {
    tracing::error!(%error, "a handler failed");
    Status::internal("the shop is broken")
}

/// What is seen in `/metrics` if a handler runs.
fn called(handler: &'static str) {
    metrics::counter!("handler_calls_total", "handler" => handler).increment(1);
}
