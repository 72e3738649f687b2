//! The cache layer for unary gRPC calls: frame by frame, and behind tonic over real sockets.

#![cfg(feature = "grpc")]

mod frames;
mod sockets;

use cachekit_core::{Cache, Key};
use cachekit_tower::{CacheLayer, cache::CacheLayerBuilder};
use prost::Message;

use crate::replies::user;

const GET_USER: &str = "/shop.Users/GetUser";

#[derive(Clone, PartialEq, Message)]
struct GetUser {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct User {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    who: String,
    #[prost(uint64, tag = "3")]
    number: u64,
}

fn of_user(message: &GetUser) -> Key {
    user(&message.id)
}

fn users(cache: &Cache) -> CacheLayerBuilder {
    CacheLayer::builder(cache).name("grpc").ttl("60s").method(GET_USER, of_user)
}
