//! The layers over sockets.

use std::net::SocketAddr;

use axum::{Router, body::Bytes as AxumBytes, routing::get};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpListener;

use crate::contract::stack::Routed;

type Caller = Client<HttpConnector, Full<Bytes>>;

async fn handler(body: AxumBytes) -> ([(&'static str, &'static str); 1], Vec<u8>) {
    ([("x-own", "1")], [b"hello ", &body[..]].concat())
}

/// Serves the router on a free port.
async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn callers() -> [Caller; 2] {
    let client = || Client::builder(TokioExecutor::new());
    [client().build_http(), client().http2_only(true).build_http()]
}

/// The answer without what differs between any two.
async fn ask(
    caller: &Caller,
    address: SocketAddr,
    (method, body): (&str, &'static str),
) -> (StatusCode, HeaderMap, Bytes, Version) {
    let request = Request::builder().method(method).uri(format!("http://{address}/users/1"));
    let request = request.body(Full::new(body.into())).unwrap();
    let (head, body) = caller.request(request).await.unwrap().into_parts();
    let mut headers = head.headers;
    headers.remove("date");
    (head.status, headers, body.collect().await.unwrap().to_bytes(), head.version)
}

pub(crate) async fn h1_h2_same_bytes<L: Routed<axum::routing::Route>>(layer: L) {
    let users = || get(handler).put(handler).delete(handler);
    let with = serve(Router::new().route("/users/{id}", users().layer(layer))).await;
    let without = serve(Router::new().route("/users/{id}", users())).await;
    for (caller, version) in callers().iter().zip([Version::HTTP_11, Version::HTTP_2]) {
        for asked in [("GET", ""), ("HEAD", ""), ("PUT", "a body"), ("DELETE", "")] {
            let seen = ask(caller, with, asked).await;
            assert_eq!(seen.3, version);
            assert_eq!(seen, ask(caller, without, asked).await, "{asked:?}");
        }
    }
}
