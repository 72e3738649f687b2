//! The singleflight layer: who shares a run, and what becomes of those who do.

mod apart;
mod drives;
mod grpc;
mod joins;
mod leads;
mod service;
mod shared;
mod sockets;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use cachekit_core::{Cache, Key, key::RuntimeTemplate};
use cachekit_tower::{Body, SingleflightLayer};
use http::{Request, Response};
use tokio::{sync::Semaphore, task::JoinHandle};
use tower::{Service, ServiceExt as _};

use crate::kit::{self, Whole, body, text};

type Wrapped = Body<Whole>;

/// Where handlers wait until the test lets them go, and what they are counted by.
#[derive(Clone)]
struct Desk(Arc<(AtomicUsize, Semaphore)>);

impl Desk {
    fn new() -> Self {
        Self(Arc::new((AtomicUsize::new(0), Semaphore::new(0))))
    }

    /// Notes a call, and answers with its number once it is let go.
    fn serve(&self) -> impl Future<Output = Response<Whole>> + Send + use<> {
        let number = self.0.0.fetch_add(1, SeqCst) + 1;
        let desk = self.clone();
        async move {
            desk.0.1.acquire().await.unwrap().forget();
            text(number.to_string())
        }
    }

    fn calls(&self) -> usize {
        self.0.0.load(SeqCst)
    }

    /// Waits until so many were called.
    async fn reach(&self, calls: usize) {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while self.calls() < calls {
            assert!(std::time::Instant::now() < end, "{} calls, not {calls}", self.calls());
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    fn release(&self, runs: usize) {
        self.0.1.add_permits(runs);
    }
}

fn fresh() -> SingleflightLayer {
    SingleflightLayer::new().any_path().build().unwrap()
}

fn running() -> SingleflightLayer {
    SingleflightLayer::running().any_path().build().unwrap()
}

fn fenced(cache: &Cache) -> SingleflightLayer {
    SingleflightLayer::fenced(cache).path("/{id}").key("item:<id>").build().unwrap()
}

fn item(id: &str) -> Key {
    let template = RuntimeTemplate::parse("item:<id>").unwrap();
    template
        .expand(|_, w| {
            w.str(id);
            Ok::<_, Infallible>(())
        })
        .unwrap()
}

type Answer = JoinHandle<Response<Body<Whole>>>;

/// Sends a request in a task of its own.
fn send<S>(service: &S, request: Request<Whole>) -> Answer
where
    S: Service<Request<Whole>, Response = Response<Body<Whole>>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let service = service.clone();
    tokio::spawn(async move { service.oneshot(request).await.unwrap() })
}

async fn told(answer: Answer) -> Bytes {
    body(answer.await.unwrap()).await
}
