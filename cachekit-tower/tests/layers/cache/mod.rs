//! The cache layer.

mod contract;
mod flights;
mod grpc;
mod http;
mod redis;
mod security;
mod sockets;
mod tags;
