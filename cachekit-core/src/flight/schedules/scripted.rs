//! Schedules made by hand, for what chance does not meet.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::sync::oneshot;

use super::{
    explore::script,
    reader::POLICY,
    scenario::{EMBEDDED, STORE, Scenario},
    server::Server,
    world::World,
};
use crate::mutant::Mutant;

const BACK: &str = "a read went back in time";

/// A future that is polled by hand.
struct Hand<'a, T>(Pin<Box<dyn Future<Output = T> + 'a>>);

impl<'a, T> Hand<'a, T> {
    fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self(Box::pin(future))
    }

    fn poll(&mut self) -> Poll<T> {
        self.0.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Polls until `done`, which is soon.
    fn poll_until(&mut self, done: impl Fn() -> bool) {
        for _ in 0..1000 {
            if done() {
                return;
            }
            assert!(self.poll().is_pending(), "it ended before its time");
        }
        panic!("it did not come that far");
    }

    /// Polls until it ends, which is soon.
    fn end(&mut self) -> T {
        for _ in 0..1000 {
            if let Poll::Ready(out) = self.poll() {
                return out;
            }
        }
        panic!("it did not end");
    }
}

/// A read whose load waits at a gate and then gives what it is told there.
fn gated(world: &World) -> (Hand<'_, u64>, oneshot::Sender<u64>) {
    let (open, gate) = oneshot::channel();
    let load = async || gate.await.map_err(|_| ());
    let reading = world.caches[0].get_or_load(world.key.clone(), &POLICY, load);
    (Hand::new(async { reading.await.unwrap() }), open)
}

/// A read whose load gives `version` at once.
fn quick(world: &World, version: u64) -> Hand<'_, u64> {
    let load = async move || Ok::<_, ()>(version);
    let reading = world.caches[0].get_or_load(world.key.clone(), &POLICY, load);
    Hand::new(async { reading.await.unwrap() })
}

fn scripted(scenario: Scenario) -> (World, std::sync::Arc<Server>) {
    let server = Server::scripted();
    (World::with(&scenario, Some(server.clone())), server)
}

/// A first leader is deposed; both it and its successor fill under the same lease.
fn two_fills_under_one_lease() -> Result<(), &'static str> {
    let (world, server) = scripted(STORE);
    let sent = |name| server.parked().contains(&name);

    let (mut first, open) = gated(&world);
    first.poll_until(|| sent("probe"));
    server.run("probe");
    assert!(first.poll().is_pending());

    let mut second = quick(&world, 1);
    second.poll_until(|| sent("fill"));
    server.run("fill");
    assert_eq!(second.end(), 1);

    open.send(0).unwrap();
    first.poll_until(|| sent("fill"));
    server.run("fill");
    assert_eq!(first.end(), 0);

    let mut third = quick(&world, 2);
    third.poll_until(|| sent("probe"));
    server.run("probe");
    if third.end() == 1 { Ok(()) } else { Err(BACK) }
}

#[test]
fn of_two_fills_under_one_lease_one_is_accepted() {
    assert_eq!(script(None, true, two_fills_under_one_lease), Ok(()));
}

#[test]
fn a_value_that_keeps_the_id_of_its_lease_is_caught() {
    let out = script(Some(Mutant::KeepLeaseId), true, two_fills_under_one_lease);
    assert_eq!(out, Err(BACK.to_owned()));
}

/// Two loads fail with an error that cannot be cloned, and one caller is left.
fn the_last_of_three_unlucky_callers() -> Result<(), &'static str> {
    let (world, server) = scripted(STORE);
    let unlucky = |gate: oneshot::Receiver<()>| {
        let load = async || gate.await.map_or(Err::<u64, _>(()), |()| Err(()));
        let reading = world.caches[0].get_or_load(world.key.clone(), &POLICY, load);
        Hand::new(async { reading.await.unwrap_err() })
    };
    let ((open, gate), (_, closed)) = (oneshot::channel(), oneshot::channel());
    let (mut first, mut second, mut last) = (unlucky(gate), unlucky(closed), quick(&world, 7));
    first.poll_until(|| server.parked().contains(&"probe"));
    server.run("probe");
    assert!(first.poll().is_pending());
    assert!(second.poll().is_pending() && last.poll().is_pending());
    open.send(()).unwrap();
    first.end();
    second.end();
    match last.poll() {
        Poll::Pending if server.parked().contains(&"fill") => Ok(()),
        _ => Err("the lease was not used"),
    }
}

#[test]
fn the_last_caller_after_errors_uses_the_lease() {
    assert_eq!(script(None, false, the_last_of_three_unlucky_callers), Ok(()));
}

/// An invalidation voids a load, which then reads the row later than the load that follows it.
fn a_voided_load_overtakes() -> Result<(), &'static str> {
    let world = World::with(&EMBEDDED, None);
    let (mut voided, open_voided) = gated(&world);
    assert!(voided.poll().is_pending());
    let invalidation = world.caches[0].invalidate(world.key.clone());
    let _outcome = Hand::new(invalidation).end();

    let (mut follower, open_follower) = gated(&world);
    assert!(follower.poll().is_pending());
    open_voided.send(1).unwrap();
    assert_eq!(voided.end(), 1);
    open_follower.send(0).unwrap();
    assert_eq!(follower.end(), 0);
    if quick(&world, 1).end() == 1 { Ok(()) } else { Err(BACK) }
}

#[test]
fn a_refused_value_that_was_returned_keeps_older_ones_out() {
    assert_eq!(script(None, false, a_voided_load_overtakes), Ok(()));
}

/// A queue overflows while a batch is under way, and while that is, new work comes in.
fn an_overflow_on_a_busy_day() -> Result<(), &'static str> {
    let (world, server) = scripted(Scenario { queue_limit: 1, ..STORE });
    let sent = |name| {
        shuttle::thread::yield_now();
        server.parked().contains(&name)
    };
    let cache = &world.caches[0];
    let mut busy = Hand::new(cache.invalidate(world.other_key()));
    busy.poll_until(|| sent("unlink"));
    let _no_room = Hand::new(cache.invalidate(world.key.clone())).end();
    let mut busier = Hand::new(cache.invalidate(world.other_key()));
    assert!(busier.poll().is_pending());

    // The key, and its generation in case it is a tag.
    for unlink in server.parked() {
        server.run(unlink);
    }
    busier.poll_until(|| !server.parked().is_empty() || sent("scan"));
    if server.parked() == ["scan"] { Ok(()) } else { Err("the sweep waits for a quiet moment") }
}

#[test]
fn a_sweep_does_not_wait_for_a_quiet_moment() {
    assert_eq!(script(None, false, an_overflow_on_a_busy_day), Ok(()));
}
