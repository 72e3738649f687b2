//! The lock layer.

mod contention;
mod end;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use cachekit_core::{Cache, ErrorKind};
use cachekit_test_support::RedisServer;
use cachekit_tower::{Body, LockLayer, lock::LockBuilder};
use http::{Method, Request, Response};
use tokio::sync::Semaphore;
use tower::{Service, service_fn};

use super::{
    kit::{self, Whole},
    request, user,
};

type Asked = Request<Body<Whole>>;

fn builder(cache: &Cache) -> LockBuilder {
    LockLayer::builder(cache).path("/users/{id}").key("user:<id>").wait("0s")
}

fn put() -> Request<Whole> {
    request(Method::PUT, "/users/1")
}

async fn shared() -> (RedisServer, Cache) {
    let server = RedisServer::start();
    let cache = Cache::builder().namespace("t").redis(&server.url()).await.unwrap();
    (server, cache.build().unwrap())
}

/// Whether somebody holds the lock of user 1.
async fn is_held(cache: &Cache) -> bool {
    match cache.lock(user(1)).try_acquire().await {
        Ok(guard) => {
            guard.release().await.unwrap();
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            true
        }
    }
}

/// A handler that says that it runs, then waits for leave to end.
#[derive(Clone, Default)]
struct Gate {
    running: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    leave: Arc<Leave>,
}

struct Leave(Semaphore);

impl Default for Leave {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Gate {
    fn service(
        &self,
    ) -> impl Service<Asked, Response = Response<Whole>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + 'static {
        let gate = self.clone();
        service_fn(move |_: Asked| {
            let gate = gate.clone();
            async move {
                gate.running.fetch_add(1, SeqCst);
                let dropped = Dropped(gate.dropped.clone());
                gate.leave.0.acquire().await.unwrap().forget();
                std::mem::forget(dropped);
                gate.ended.fetch_add(1, SeqCst);
                Ok(kit::text("done"))
            }
        })
    }

    fn running(&self) -> usize {
        self.running.load(SeqCst)
    }

    fn end_one(&self) {
        self.leave.0.add_permits(1);
    }
}
