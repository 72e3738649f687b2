//! Reads that begin in the same turn of the scheduler: sent in one write and answered together.
//!
//! Nobody waits for company: a convoy departs as soon as the tasks that are ready have run, and only where other
//! commands are on their way anyhow. Each read by itself costs the driver a message, a channel and a wake-up.

use std::{
    fmt,
    future::poll_fn,
    iter,
    mem::{replace, take},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use redis::{Cmd, Pipeline, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::reply::{Reply, StoreError};

/// Reads that go together at most: the first is answered with the last, and what they take up together is less than an
/// allocator finds dear.
const MOST: usize = 12;
/// Convoys on the way at most: of callers that gave up, some stay there until the link is found to be stalled.
const ROADS: usize = 256;

/// What came back for one read.
pub(super) type Answer = Result<Reply, StoreError>;

/// Where reads of one connection board.
#[derive(Debug)]
pub(super) struct Convoys {
    boarding: Mutex<Option<Arc<Convoy>>>,
    roads: Arc<Semaphore>,
}

/// Reads that travel together.
struct Convoy {
    load: Mutex<Load>,
}

struct Load {
    commands: Pipeline,
    seats: Vec<Seat>,
}

enum Seat {
    Waiting(Option<Waker>),
    Answered(Answer),
    Left,
}

/// A read in a convoy. Dropped before the answer, it may still be carried out.
pub(super) struct Passenger {
    convoy: Arc<Convoy>,
    seat: usize,
}

/// Who is to take a convoy to the server. When it is dropped, those without an answer are told that the connection broke.
pub(super) struct Carrier {
    convoy: Arc<Convoy>,
    _road: OwnedSemaphorePermit,
}

impl Convoys {
    pub(super) fn new() -> Convoys {
        Convoys { boarding: Mutex::new(None), roads: Arc::new(Semaphore::new(ROADS)) }
    }

    /// A seat for the read; and for the first of a convoy its carrier, which must set off. The read itself when there are
    /// too many on the way.
    pub(super) fn board(&self, read: Cmd) -> Result<(Passenger, Option<Carrier>), Cmd> {
        let mut boarding = lock(&self.boarding);
        let (convoy, carrier) = match &*boarding {
            Some(convoy) => (Arc::clone(convoy), None),
            None => {
                let Ok(road) = Arc::clone(&self.roads).try_acquire_owned() else {
                    return Err(read);
                };
                let convoy = Convoy::new();
                (Arc::clone(&convoy), Some(Carrier { convoy, _road: road }))
            }
        };
        let seat = convoy.add(read);
        *boarding = (seat + 1 < MOST).then(|| Arc::clone(&convoy));
        Ok((Passenger { convoy, seat }, carrier))
    }

    /// The commands of a convoy that takes no more from here on.
    fn close(&self, convoy: &Arc<Convoy>) -> Pipeline {
        let mut boarding = lock(&self.boarding);
        if boarding.as_ref().is_some_and(|open| Arc::ptr_eq(open, convoy)) {
            *boarding = None;
        }
        drop(boarding);
        take(&mut lock(&convoy.load).commands)
    }
}

impl Convoy {
    fn new() -> Arc<Convoy> {
        let (commands, seats) = (Pipeline::with_capacity(MOST), Vec::with_capacity(MOST));
        Arc::new(Convoy { load: Mutex::new(Load { commands, seats }) })
    }

    fn add(&self, read: Cmd) -> usize {
        let mut load = lock(&self.load);
        load.commands.add_command(read);
        load.seats.push(Seat::Waiting(None));
        load.seats.len() - 1
    }

    /// Answers those who still wait, as far as there are answers.
    fn answer(&self, answers: impl Iterator<Item = Answer>) {
        let mut load = lock(&self.load);
        let mut wakers = Vec::with_capacity(load.seats.len());
        for (seat, answer) in iter::zip(&mut load.seats, answers) {
            if let Seat::Waiting(waker) = seat {
                wakers.extend(waker.take());
                *seat = Seat::Answered(answer);
            }
        }
        drop(load);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Carrier {
    /// The commands of all that are aboard once the tasks that are ready now have run.
    pub(super) async fn depart(&self, convoys: &Convoys) -> Pipeline {
        after_the_others().await;
        convoys.close(&self.convoy)
    }

    /// Hands out the replies, of which there is an array.
    pub(super) fn arrive(self, reply: Answer) {
        match reply.map(Value::from) {
            Ok(Value::Array(replies)) => {
                self.convoy.answer(replies.into_iter().map(|reply| Ok(Reply::from(reply))));
            }
            Ok(_) => {}
            Err(error) => self.convoy.answer(iter::repeat_with(|| Err(error))),
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.convoy.answer(iter::repeat_with(|| Err(StoreError::Io)));
    }
}

impl Passenger {
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Answer> {
        // Wakers are the caller's executor's: they are cloned and dropped without locks.
        let waker = cx.waker().clone();
        let mut load = lock(&self.convoy.load);
        let seat = &mut load.seats[self.seat];
        match replace(seat, Seat::Left) {
            Seat::Answered(answer) => Poll::Ready(answer),
            Seat::Left => Poll::Ready(Err(StoreError::Io)),
            Seat::Waiting(earlier) => {
                *seat = Seat::Waiting(Some(waker));
                drop(load);
                drop(earlier);
                Poll::Pending
            }
        }
    }
}

/// Lets the tasks go first that are ready by now.
async fn after_the_others() {
    let mut waited = false;
    poll_fn(|cx| {
        if replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Convoy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Convoy").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn board(convoys: &Convoys, keys: std::ops::Range<usize>) -> (Vec<Passenger>, Vec<Carrier>) {
        let boarded = keys.map(|key| {
            let mut read = redis::cmd("GETEX");
            read.arg(key);
            convoys.board(read).map_err(drop).expect("a road is free")
        });
        let (passengers, carriers): (Vec<_>, Vec<_>) = boarded.unzip();
        (passengers, carriers.into_iter().flatten().collect())
    }

    fn poll(passenger: &mut Passenger) -> Poll<Answer> {
        passenger.poll(&Context::from_waker(Waker::noop()))
    }

    async fn set_off(carrier: &Carrier, convoys: &Convoys) -> Pipeline {
        let mut departure = pin!(carrier.depart(convoys));
        poll_fn(|cx| departure.as_mut().poll(cx)).await
    }

    #[tokio::test]
    async fn each_passenger_is_given_the_reply_to_its_own_read() {
        let convoys = Convoys::new();
        let (mut passengers, mut carriers) = board(&convoys, 0..3);
        let carrier = carriers.pop().unwrap();
        assert!(carriers.is_empty());
        assert!(passengers.iter_mut().all(|passenger| poll(passenger).is_pending()));
        assert_eq!(set_off(&carrier, &convoys).await.len(), 3);
        let gone = passengers.remove(0);
        drop(gone);
        let replies = vec![Value::Int(0), Value::Nil, Value::Int(2)];
        carrier.arrive(Ok(Reply::from(Value::Array(replies))));
        assert!(matches!(poll(&mut passengers[0]), Poll::Ready(Ok(Reply::Nil))));
        assert!(matches!(poll(&mut passengers[1]), Poll::Ready(Ok(Reply::Int(2)))));
    }

    #[tokio::test]
    async fn nobody_boards_a_convoy_that_is_full_or_has_departed() {
        let convoys = Convoys::new();
        let (_passengers, carriers) = board(&convoys, 0..MOST + 1);
        let [full, next] = &carriers[..] else { panic!("two convoys, not {}", carriers.len()) };
        assert_eq!(set_off(full, &convoys).await.len(), MOST);
        assert_eq!(set_off(next, &convoys).await.len(), 1);
        let (_passengers, third) = board(&convoys, 0..1);
        assert_eq!(third.len(), 1);
    }

    #[tokio::test]
    async fn a_carrier_that_is_lost_or_brings_too_little_leaves_nobody_waiting() {
        let convoys = Convoys::new();
        let (mut passengers, mut carriers) = board(&convoys, 0..2);
        let carrier = carriers.pop().unwrap();
        set_off(&carrier, &convoys).await;
        carrier.arrive(Ok(Reply::from(Value::Array(vec![Value::Int(0)]))));
        assert!(matches!(poll(&mut passengers[0]), Poll::Ready(Ok(Reply::Int(0)))));
        assert!(matches!(poll(&mut passengers[1]), Poll::Ready(Err(StoreError::Io))));

        let (mut passengers, carriers) = board(&convoys, 0..2);
        drop(carriers);
        assert!(matches!(poll(&mut passengers[0]), Poll::Ready(Err(StoreError::Io))));
        assert!(matches!(poll(&mut passengers[1]), Poll::Ready(Err(StoreError::Io))));
    }

    #[test]
    fn a_read_is_handed_back_while_too_many_convoys_are_on_the_way() {
        let convoys = Convoys::new();
        let (_passengers, carriers) = board(&convoys, 0..MOST * ROADS);
        assert_eq!(carriers.len(), ROADS);
        assert!(convoys.board(redis::cmd("GETEX")).is_err());
        drop(carriers);
        assert!(convoys.board(redis::cmd("GETEX")).is_ok());
    }
}
