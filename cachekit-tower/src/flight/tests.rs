//! Flights under every order of polls, departures and wakes that chance comes up with.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use super::*;
use crate::{
    Kind,
    identity::{Identity, IdentityWriter},
};

/// Steps of runs that wait to be allowed.
#[derive(Clone, Default)]
struct Steps(Arc<Mutex<(usize, Vec<Waker>)>>);

impl Steps {
    fn allow(&self, steps: usize) {
        let mut state = self.0.lock().unwrap();
        state.0 += steps;
        let wakers = std::mem::take(&mut state.1);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn take(&self) {
        std::future::poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            if state.0 > 0 {
                state.0 -= 1;
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A member that is polled only when it was woken.
struct Polled {
    turn: Pin<Box<dyn Future<Output = Verdict<u8>>>>,
    woken: Arc<Flag>,
}

fn identity() -> Identity {
    IdentityWriter::new("l", Kind::Http).finish()
}

fn run(steps: Steps, handle: Handle<u8>, end: u8) -> Run<u8> {
    Box::pin(async move {
        steps.take().await;
        handle.begins();
        steps.take().await;
        handle.closes();
        let others = match end {
            0 | 1 => Others::All(7),
            2 => Others::Early(7),
            3 => Others::Apart,
            4 => Others::Next { failed: false },
            _ => Others::Next { failed: true },
        };
        Ended { own: Box::new(()), others }
    })
}

impl Polled {
    fn new(flights: &Arc<Flights<u8>>, steps: &Steps, end: u8) -> Self {
        let (flights, steps) = (flights.clone(), steps.clone());
        let turn = Box::pin(async move {
            if let Some(lead) = flights.lead(&identity()) {
                steps.take().await;
                steps.take().await;
                lead.end(end == 3);
                return Verdict::Alone;
            }
            let member = flights.seat(&identity());
            member.turn(Duration::from_secs(10), |handle| run(steps, handle, end)).await
        });
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        Self { turn, woken }
    }

    /// Whether it has its verdict now.
    fn poll_if_woken(&mut self) -> bool {
        if !self.woken.0.swap(false, SeqCst) {
            return false;
        }
        let waker = Waker::from(self.woken.clone());
        self.turn.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    }
}

#[tokio::test(start_paused = true)]
async fn no_wake_is_lost_and_nothing_is_left() {
    for seed in 0..3_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let join = [Join::Fresh, Join::Fenced, Join::Running][rng.usize(..3)];
        let flights = Flights::new("l", join, rng.usize(1..3));
        let steps = Steps::default();
        let mut members: Vec<Polled> = Vec::new();
        for _ in 0..rng.usize(1..40) {
            let at = rng.usize(..members.len().max(1));
            match rng.u8(..8) {
                0..3 => members.push(Polled::new(&flights, &steps, rng.u8(..7))),
                3..6 if at < members.len() => {
                    if members[at].poll_if_woken() {
                        drop(members.swap_remove(at));
                    }
                }
                6 if at < members.len() => drop(members.swap_remove(at)),
                _ => steps.allow(1),
            }
        }
        steps.allow(1_000);
        while let Some(at) = members.iter().position(|member| member.woken.0.load(SeqCst)) {
            if members[at].poll_if_woken() {
                drop(members.swap_remove(at));
            }
        }
        assert_eq!(members.len(), 0, "seed {seed}: members wait for ever");
        assert_eq!(flights.len(), 0, "seed {seed}: a flight is left");
    }
}

/// On several threads, as it is used.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_on_many_threads_all_get_their_verdicts() {
    for round in 0..400 {
        let join = [Join::Fenced, Join::Fresh][round % 2];
        let flights: Arc<Flights<u8>> = Flights::new("l", join, 1);
        let steps = Steps::default();
        let mut tasks = Vec::new();
        for number in 0..16_u8 {
            let (flights, steps) = (flights.clone(), steps.clone());
            tasks.push(tokio::spawn(async move {
                let end = number % 5;
                let turn = async {
                    if let Some(lead) = flights.lead(&identity()) {
                        steps.take().await;
                        return lead.end(end == 3);
                    }
                    let member = flights.seat(&identity());
                    let run = |handle| run(steps.clone(), handle, end);
                    drop(member.turn(Duration::from_secs(30), run).await);
                };
                if number % 4 == 3 {
                    return drop(tokio::time::timeout(Duration::ZERO, turn).await);
                }
                let ended = tokio::time::timeout(Duration::from_secs(20), turn).await;
                assert!(ended.is_ok(), "it waits for ever");
            }));
        }
        steps.allow(1_000);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(flights.len(), 0);
    }
}

/// Its identity would wait for ever behind it.
#[tokio::test]
async fn a_destructor_that_panics_leaves_no_flight_behind() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("planned");
        }
    }
    let flights: Arc<Flights<u8>> = Flights::new("l", Join::Fresh, 1);
    let mut turn = Box::pin(flights.seat(&identity()).turn(Duration::from_secs(10), |_| {
        let bomb = Bomb;
        Box::pin(async move {
            let _bomb = bomb;
            std::future::pending::<Ended<u8>>().await
        })
    }));
    assert!(turn.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(flights.len(), 1);
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(turn)));
    assert!(dropped.is_err());
    assert_eq!(flights.len(), 0);
}
