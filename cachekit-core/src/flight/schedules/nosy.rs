//! What users hand over, and what calls the cache when it is dropped: never under a lock.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use super::{
    explore::script,
    reader::{POLICY, shared_error},
    scenario::EMBEDDED,
    world::World,
};
use crate::{cache::Cache, key::Key};

/// Reads a key when it is dropped, which takes every lock there is.
#[derive(Clone)]
struct Nosy {
    cache: Cache,
    key: Key,
}

impl Nosy {
    fn new(world: &World) -> Self {
        Self { cache: world.caches[0].clone(), key: world.key.clone() }
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        let load = async || std::future::pending::<Result<u64, ()>>().await;
        let _pending = poll(&mut pin!(self.cache.get_or_load(self.key.clone(), &POLICY, load)));
    }
}

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {}
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

fn poll_with<F: Future + Unpin>(mut future: &mut F, waker: &Waker) -> Poll<F::Output> {
    pin!(&mut future).poll(&mut Context::from_waker(waker))
}

fn dropped_error() -> Result<(), &'static str> {
    let world = World::new(&EMBEDDED);
    let load = async || Err::<u64, _>(Nosy::new(&world));
    let reading = shared_error(&world.caches[0], world.key.clone(), load);
    match poll(&mut pin!(reading)) {
        Poll::Ready(Err(_)) => Ok(()),
        _ => Err("the load failed, and the read did not"),
    }
}

fn replaced_waker() -> Result<(), &'static str> {
    let world = World::new(&EMBEDDED);
    let stuck = async || std::future::pending::<Result<u64, ()>>().await;
    let read = || world.caches[0].get_or_load(world.key.clone(), &POLICY, stuck);
    let (mut leader, mut follower) = (Box::pin(read()), Box::pin(read()));
    let _led = poll(&mut leader);
    let _waits = poll_with(&mut follower, &Arc::new(Nosy::new(&world)).into());
    match poll(&mut follower) {
        Poll::Pending => Ok(()),
        Poll::Ready(_) => Err("nobody loads, and a read ended"),
    }
}

#[test]
fn an_error_is_dropped_without_locks() {
    assert_eq!(script(None, false, dropped_error), Ok(()));
}

#[test]
fn a_waker_is_dropped_without_locks() {
    assert_eq!(script(None, false, replaced_waker), Ok(()));
}
