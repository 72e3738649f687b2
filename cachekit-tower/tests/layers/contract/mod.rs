//! What every layer keeps to, one line a layer.

mod grpc;
mod inner;
mod rules;
mod stack;
mod wire;

use std::time::Duration;

use cachekit_core::{Cache, bloom::Bloom};
use cachekit_tower::{
    BloomLayer, CacheLayer, InvalidateLayer, LockLayer, ScopeLayer, SingleflightLayer, SplitLayer,
};

/// The contract of each layer: its name, its type, and how one is made that has something to do with
/// `/users/{id}` over this cache.
macro_rules! contract {
    ($($name:ident: $layer:ty = $make:expr;)*) => {$(
        mod $name {
            use super::*;

            fn layer() -> $layer {
                let make: fn(&Cache) -> $layer = $make;
                make(&Cache::builder().build().unwrap())
            }

            #[tokio::test]
            async fn panics_if_called_unreadied() {
                rules::panics_if_called_unreadied(layer()).await;
            }

            #[tokio::test]
            async fn readies_equal_calls_plus_drops() {
                rules::readies_equal_calls_plus_drops(layer()).await;
            }

            #[tokio::test]
            async fn error_type_is_inner() {
                rules::error_type_is_inner(layer()).await;
            }

            #[test]
            fn auto_traits() {
                rules::auto_traits(&layer());
            }

            #[tokio::test]
            async fn layer_twice_shares_state() {
                rules::layer_twice_shares_state(layer()).await;
            }

            #[test]
            fn clone_is_cheap() {
                rules::clone_is_cheap(&layer());
            }

            #[tokio::test]
            async fn boxerror_inner_passes_through() {
                rules::boxerror_inner_passes_through(layer()).await;
            }

            #[tokio::test]
            async fn what_is_passed_on_is_as_without_the_layer() {
                rules::what_is_passed_on_is_as_without_the_layer(layer()).await;
            }

            #[tokio::test]
            async fn infallible_in_axum() {
                stack::infallible_in_axum(layer()).await;
            }

            #[tokio::test]
            async fn compiles_with_tower_stack() {
                stack::compiles_with_tower_stack(layer()).await;
            }

            #[tokio::test]
            async fn compiles_in_tonic() {
                grpc::compiles_in_tonic!(layer());
            }

            #[tokio::test]
            async fn h1_h2_same_bytes() {
                wire::h1_h2_same_bytes(layer()).await;
            }
        }
    )*};
}

contract! {
    scope: ScopeLayer = |cache| ScopeLayer::new(cache.clone());
    split: SplitLayer = |cache| SplitLayer::builder(cache).secret([7; 32]).build().unwrap();
    bloom: BloomLayer = |cache| {
        let filter: Bloom<u64> =
            Bloom::builder("users").expected(10).settle(Duration::ZERO).build(cache).unwrap();
        BloomLayer::builder(&filter).path("/users/{id}").key("user:<id>").build().unwrap()
    };
    singleflight: SingleflightLayer = |_| {
        SingleflightLayer::new().path("/users/{id}").key("user:<id>").build().unwrap()
    };
    fenced: SingleflightLayer = |cache| {
        SingleflightLayer::fenced(cache).path("/users/{id}").key("user:<id>").build().unwrap()
    };
    cache: CacheLayer = |cache| {
        let layer = CacheLayer::builder(cache).path("/users/{id}").key("user:<id>").ttl("60s");
        // What it adds to responses is switched off: that is no part of the contract.
        layer.etag(false).age(false).cache_status(false).build().unwrap()
    };
    lock: LockLayer = |cache| {
        LockLayer::builder(cache).path("/users/{id}").key("user:<id>").wait("10s").build().unwrap()
    };
    invalidate: InvalidateLayer = |cache| {
        InvalidateLayer::builder(cache).path("/users/{id}").key("user:<id>").build().unwrap()
    };
}
