//! Keys from the messages of gRPC calls.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use cachekit_tower::InvalidateLayer;
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::Asked;
use crate::writers::{Frames, cache, call, is_cached, kit::Whole, read, user};

#[derive(Clone, PartialEq, prost::Message)]
struct Rename {
    #[prost(uint64, tag = "1")]
    id: u64,
}

#[tokio::test]
async fn a_message_has_the_key() {
    let cache = cache();
    read(&cache, 1, 1).await;
    read(&cache, 2, 1).await;
    let layer = InvalidateLayer::builder(&cache)
        .method::<Rename>("/shop.Users/Rename", |message| user(message.id));
    // The handler still gets the whole message.
    let handler = service_fn(async |asked: Asked| {
        assert_eq!(asked.into_body().collect().await.unwrap().to_bytes().len(), 7);
        Ok::<_, Infallible>(Frames::grpc("0"))
    });
    let service = layer.build().unwrap().layer(handler);
    let message = prost::Message::encode_to_vec(&Rename { id: 1 });
    let response = service.oneshot(call("/shop.Users/Rename", &message)).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!((is_cached(&cache, 1).await, is_cached(&cache, 2).await), (false, true));
}

/// What is compressed, or longer than is read, has no key either.
#[tokio::test]
async fn a_call_whose_message_gives_no_key_is_refused() {
    let cache = cache();
    let calls = Arc::new(AtomicUsize::new(0));
    let called = calls.clone();
    let handler = service_fn(move |_: Asked| {
        called.fetch_add(1, SeqCst);
        async { Ok::<_, Infallible>(Frames::grpc("0")) }
    });
    let layer = InvalidateLayer::builder(&cache)
        .method::<Rename>("/shop.Users/Rename", |message| user(message.id));
    let service = layer.build().unwrap().layer(handler);
    let whole = prost::Message::encode_to_vec(&Rename { id: 1 });
    let mut compressed =
        call("/shop.Users/Rename", &whole).into_body().collect().await.unwrap().to_bytes().to_vec();
    compressed[0] = 1;
    let compressed = call("/shop.Users/Rename", b"").map(|_| Whole::new(compressed.into()));
    let long = call("/shop.Users/Rename", &vec![0; 65 * 1024]);
    for asked in [compressed, long, call("/shop.Users/Rename", b"\xff")] {
        let answer = service.clone().oneshot(asked).await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "3");
    }
    assert_eq!(calls.load(SeqCst), 0);
    let answer = service.oneshot(call("/shop.Users/Rename", &whole)).await.unwrap();
    assert_eq!((answer.headers().get("grpc-status"), calls.load(SeqCst)), (None, 1));
}
