//! Waiting for what others load: in this process by their flights, in others by their leases.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use super::{batch::Batch, part::Part};
use crate::{flight::Turn, sync};

/// The longest pause before a lease of another process is looked at again.
const LONGEST: Duration = Duration::from_millis(50);

impl Batch {
    /// Waits until some key's flight has something for this caller, or until it is time to look at
    /// other processes' leases again.
    pub(super) async fn wait(&mut self) {
        let pause = self.parts.iter().any(|part| part.foreign).then(|| {
            // Full jitter, as for one key.
            self.pause.mul_f64(fastrand::f64())
        });
        let before = sync::now();
        let (turns, rested) = turns(&self.parts, pause).await;
        let waited = sync::now() - before;
        for part in &mut self.parts {
            part.has_waited(waited, if rested { pause } else { None });
        }
        for (index, turn) in turns {
            self.parts[index].take(turn);
        }
        if rested {
            self.pause = (self.pause * 2).min(LONGEST);
        }
    }
}

/// The turns of those that follow, as soon as there is one, or after the pause; and whether that is over.
async fn turns(parts: &[Part], pause: Option<Duration>) -> (Vec<(usize, Turn)>, bool) {
    let followers = parts.iter().enumerate().filter(|(_, part)| part.follows());
    let mut seats: Vec<_> = followers
        .map(|(index, part)| (index, Box::pin(part.attempt.member.turn_after(part.waited))))
        .collect();
    let mut rest = pin!(async {
        match pause {
            Some(pause) => sync::sleep(pause).await,
            None => std::future::pending().await,
        }
    });
    poll_fn(|cx| {
        let mut turns = Vec::new();
        seats.retain_mut(|(index, seat)| match seat.as_mut().poll(cx) {
            Poll::Ready(turn) => {
                turns.push((*index, turn));
                false
            }
            Poll::Pending => true,
        });
        let rested = rest.as_mut().poll(cx).is_ready();
        if turns.is_empty() && !rested { Poll::Pending } else { Poll::Ready((turns, rested)) }
    })
    .await
}

impl Part {
    /// Notes that so much time has passed; with a pause that is over, a foreign lease is due to be
    /// looked at.
    fn has_waited(&mut self, waited: Duration, pause: Option<Duration>) {
        if self.foreign {
            self.waited_for_leases += pause.map_or(waited, |pause| waited.max(pause));
            self.foreign = pause.is_none();
        } else {
            self.waited += waited;
        }
    }
}
