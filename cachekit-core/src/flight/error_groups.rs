//! What becomes of a flight whose leader got an error that cannot be cloned.

use std::task::Waker;

use super::{Verdict, seats::MemberId, state::State};
use crate::cache::Status;

/// Gives the leader its own error, lets a group of the others load alone, twice as large with
/// each failure, and hands flight and lease to one of the rest.
pub(super) fn go_on(state: &mut State, leader: MemberId, load_limit: usize) -> Vec<Waker> {
    state.failures += 1;
    // One of the others leads: else the lease would stay with a flight that nobody uses.
    let followers = state.seats.waiting().filter(|(id, _)| *id != leader).count();
    let mut alone = (group(state.failures, load_limit) - 1).min(followers.saturating_sub(1));
    let mut wakers = state.give(|id| {
        if id == leader {
            return Some(Verdict::Own(Status::Loaded));
        }
        let one_more = alone > 0;
        alone = alone.saturating_sub(1);
        one_more.then_some(Verdict::Alone)
    });
    state.vacate();
    wakers.extend(state.wake_a_candidate());
    wakers
}

/// How many load at once after so many failures: 1, 2, 4, … up to the limit.
fn group(failures: u32, load_limit: usize) -> usize {
    1_usize.checked_shl(failures - 1).unwrap_or(usize::MAX).min(load_limit).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_double_up_to_the_limit() {
        let sizes: Vec<_> = (1..9).map(|failures| group(failures, 64)).collect();
        assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 64]);
        assert_eq!(group(200, 64), 64);
        assert_eq!(group(3, 0), 1);
    }
}
