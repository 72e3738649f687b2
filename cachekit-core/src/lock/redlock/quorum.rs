//! Asking several servers at once, and what their answers amount to.

use std::{future::poll_fn, pin::Pin, task::Poll};

/// The answers to one question that was put to all servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// How many were asked.
    pub(super) of: usize,
    /// Who said yes.
    pub(super) granted: usize,
    /// Who said that somebody else has its vote, or that nobody has.
    pub(super) refused: usize,
    /// Who could not be asked, did not answer in time, or could not do it.
    pub(super) failed: usize,
}

impl Tally {
    pub(super) fn of(servers: usize) -> Tally {
        Tally { of: servers, ..Tally::default() }
    }

    /// `None`: no answer.
    pub(super) fn count(&mut self, answer: Option<bool>) {
        match answer {
            Some(true) => self.granted += 1,
            Some(false) => self.refused += 1,
            None => self.failed += 1,
        }
    }

    pub(super) fn quorum(&self) -> usize {
        self.of / 2 + 1
    }

    pub(super) fn answered(&self) -> usize {
        self.granted + self.refused
    }

    pub(super) fn is_won(&self) -> bool {
        self.granted >= self.quorum()
    }

    /// So many failed that nobody could win.
    pub(super) fn is_out_of_reach(&self) -> bool {
        self.of - self.failed < self.quorum()
    }

    /// Whatever is still to come changes nothing.
    pub(super) fn is_decided(&self) -> bool {
        let open = self.of - self.answered() - self.failed;
        self.is_won() || self.is_out_of_reach() || self.granted + open < self.quorum()
    }
}

/// Runs all at once and hands over each answer as it comes, until `take` has enough. Each was begun by then.
pub(super) async fn gather<F: Future>(
    questions: impl IntoIterator<Item = F>,
    mut take: impl FnMut(F::Output) -> bool,
) {
    let mut open: Vec<Pin<Box<F>>> = questions.into_iter().map(Box::pin).collect();
    let mut enough = false;
    poll_fn(|cx| {
        open.retain_mut(|question| match question.as_mut().poll(cx) {
            Poll::Ready(answer) => {
                enough |= take(answer);
                false
            }
            Poll::Pending => true,
        });
        if enough || open.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn tally(granted: usize, refused: usize, failed: usize) -> Tally {
        Tally { of: 5, granted, refused, failed }
    }

    #[test]
    fn three_of_five_votes_win_and_no_fewer() {
        assert!(tally(3, 0, 0).is_won() && tally(3, 2, 0).is_won() && tally(3, 0, 2).is_won());
        assert!(!tally(2, 0, 0).is_won());
        assert_eq!(Tally::of(4).quorum(), 3, "half is no majority");
    }

    #[test]
    fn an_attempt_ends_when_the_rest_can_change_nothing() {
        assert!(!tally(2, 2, 0).is_decided() && !tally(0, 0, 2).is_decided());
        assert!(tally(3, 0, 0).is_decided(), "won");
        assert!(tally(0, 3, 0).is_decided(), "lost");
        assert!(tally(1, 1, 2).is_decided(), "one is left, and two are wanted");
    }

    #[test]
    fn busy_and_out_of_reach_are_told_apart() {
        assert!(tally(0, 0, 3).is_out_of_reach());
        assert!(!tally(0, 3, 2).is_out_of_reach(), "three could vote for another");
        assert!(!tally(1, 2, 2).is_out_of_reach());
    }

    #[tokio::test]
    async fn every_server_is_asked_even_if_the_first_is_enough() {
        let mut asked = 0;
        let questions = (0..5).map(|_| {
            asked += 1;
            ready(true)
        });
        let mut answers = 0;
        gather(questions, |_| {
            answers += 1;
            true
        })
        .await;
        assert_eq!((asked, answers), (5, 5));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_server_once_there_is_enough() {
        let questions: Vec<Pin<Box<dyn Future<Output = bool>>>> =
            vec![Box::pin(pending()), Box::pin(ready(true)), Box::pin(pending())];
        gather(questions, |answer| answer).await;
    }
}
