//! The layers where tonic takes them.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use cachekit_tower::BoxError;
use http::{Request, Response};
use tonic::server::NamedService;
use tower::Service;

/// A service with the bounds that tonic generates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Users;

impl NamedService for Users {
    const NAME: &'static str = "shop.Users";
}

impl<B> Service<Request<B>> for Users
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<BoxError> + Send + 'static,
{
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        std::future::ready(Ok(tonic::Status::unimplemented("there is no such method").into_http()))
    }
}

/// Around a whole server and around one service: both are served over a socket.
macro_rules! compiles_in_tonic {
    ($layer:expr) => {{
        use tonic::{
            service::LayerExt as _,
            transport::{Endpoint, Server, server::TcpIncoming},
        };
        let named = Server::builder().add_service($layer.named_layer(crate::contract::grpc::Users));
        let around = Server::builder().layer($layer).add_service(crate::contract::grpc::Users);
        let listen = async || {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            (listener.local_addr().unwrap(), TcpIncoming::from(listener))
        };
        let ((one, first), (other, second)) = (listen().await, listen().await);
        tokio::spawn(async move { named.serve_with_incoming(first).await });
        tokio::spawn(async move { around.serve_with_incoming(second).await });
        for address in [one, other] {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            crate::contract::grpc::is_unimplemented(endpoint.connect().await.unwrap()).await;
        }
    }};
}
pub(crate) use compiles_in_tonic;

/// Asks for a method that is not there.
pub(crate) async fn is_unimplemented(channel: tonic::transport::Channel) {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/shop.Users/GetUser");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let answer = client.unary(tonic::Request::new(()), path, codec).await;
    assert_eq!(answer.unwrap_err().code(), tonic::Code::Unimplemented);
}
