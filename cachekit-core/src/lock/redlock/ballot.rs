//! One holder's votes: asked for, renewed, taken back.

use std::{sync::Arc, time::Duration};

use super::{
    Inner,
    quorum::{Tally, gather},
};
use crate::{
    error::{Error, ErrorKind},
    key::Template,
    lock::{
        errors::{ACQUIRE, RELEASE},
        hold::{Hold, Loss, millis, safe_until},
        keeping::{Kept, Renewal},
    },
    redis::{Standing, StoreError},
    sync::{Runtime, sleep, within},
};

/// The votes for one token. Dropped before they are taken back, they are so in the background.
#[derive(Debug)]
pub(super) struct Ballot {
    voting: Arc<Voting>,
    lease: Duration,
    sent_ms: u64,
    is_open: bool,
}

#[derive(Debug)]
struct Voting {
    inner: Arc<Inner>,
    key: String,
    token: String,
}

impl Ballot {
    pub(super) fn open(inner: Arc<Inner>, key: &str, lease: Duration) -> Result<Ballot, Error> {
        let key = format!("ck~lock:{}:{{{key}}}", inner.namespace);
        let sent_ms = inner.clock.now_ms();
        let voting = Arc::new(Voting { inner, key, token: token()? });
        Ok(Ballot { voting, lease, sent_ms, is_open: true })
    }

    /// Asks all servers for their votes, until it is decided.
    pub(super) async fn collect(&mut self) -> Tally {
        let px = millis(self.lease);
        let voting = &*self.voting;
        let questions = voting.inner.voters.iter().map(|voter| {
            voting.in_time(voter.vote(&voting.key, &voting.token, px))
        });
        let mut tally = Tally::of(voting.inner.voters.len());
        gather(questions, |answer| {
            tally.count(answer);
            tally.is_decided()
        })
        .await;
        tally
    }

    /// Whether the votes are worth anything by now: the first of them may have been given when they were asked for.
    pub(super) fn is_in_time(&self) -> bool {
        self.voting.inner.clock.now_ms() < safe_until(self.sent_ms, self.lease)
    }

    pub(super) fn hold(&self, template: Template, max_hold: Duration) -> Hold {
        let until_ms = safe_until(self.sent_ms, self.lease);
        Hold::new(template, 0, self.voting.inner.clock.clone(), until_ms, max_hold)
    }

    /// Asks every server to take its vote back, also those that gave no answer: their votes may be on the way, and on one
    /// connection this comes after them.
    pub(super) async fn withdraw(mut self) -> Tally {
        let tally = self.voting.withdraw().await;
        self.is_open = false;
        tally
    }
}

impl Kept for Ballot {
    async fn renew(&mut self, _hold: &Hold) -> Renewal {
        let (voting, px) = (&*self.voting, millis(self.lease));
        let sent_ms = voting.inner.clock.now_ms();
        let questions = voting.inner.voters.iter().map(|voter| {
            voting.in_time(voter.extend(&voting.key, &voting.token, px))
        });
        let (mut standings, mut tally) = (Vec::new(), Tally::of(voting.inner.voters.len()));
        gather(questions, |answer| {
            standings.extend(answer);
            tally.count(answer.map(|standing| standing == Standing::Ours));
            false
        })
        .await;
        let until_ms = safe_until(sent_ms, self.lease);
        verdict(tally, &standings).unwrap_or(Renewal::Until(until_ms))
    }

    async fn release(self) -> Result<(), Error> {
        let tally = self.withdraw().await;
        if tally.answered() >= tally.quorum() {
            return Ok(());
        }
        let message = "a majority did not confirm it; the votes end with the lease";
        Err(Error::new(ErrorKind::Unavailable, RELEASE, message))
    }

    async fn leave(mut self) {
        self.is_open = false;
        // Whoever comes next in this process would ask in vain.
        sleep(self.lease).await;
    }
}

/// `None`: the majority still votes for the holder.
fn verdict(tally: Tally, standings: &[Standing]) -> Option<Renewal> {
    if tally.is_won() {
        return None;
    }
    let theirs = standings.iter().filter(|standing| **standing == Standing::Theirs).count();
    Some(match tally.of - tally.refused < tally.quorum() {
        true if theirs > 0 => Renewal::Lost(Loss::Taken),
        true => Renewal::Lost(Loss::Deleted),
        false => Renewal::Unknown,
    })
}

impl Voting {
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        within(self.inner.node_timeout, answer).await?.ok()
    }

    async fn withdraw(&self) -> Tally {
        let questions = self.inner.voters.iter();
        let questions =
            questions.map(|voter| self.in_time(voter.withdraw(&self.key, &self.token)));
        let mut tally = Tally::of(self.inner.voters.len());
        gather(questions, |answer| {
            tally.count(answer);
            false
        })
        .await;
        tally
    }
}

impl Drop for Ballot {
    fn drop(&mut self) {
        if self.is_open {
            let voting = self.voting.clone();
            Runtime::current().spawn(async move {
                let _ = voting.withdraw().await;
            });
        }
    }
}

/// Never used before.
fn token() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let message = "the system gives no random bytes for a token";
        Error::new(ErrorKind::Unavailable, ACQUIRE, message).with_source(error.to_string())
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_lost_only_if_a_majority_says_so() {
        use Standing::{Gone, Ours, Theirs};
        let judge = |standings: &[Standing]| {
            let mut tally = Tally::of(5);
            standings.iter().for_each(|standing| tally.count(Some(*standing == Ours)));
            (standings.len()..5).for_each(|_| tally.count(None));
            verdict(tally, standings)
        };
        assert_eq!(judge(&[Ours, Ours, Ours, Theirs, Gone]), None);
        assert_eq!(judge(&[Ours, Ours, Gone]), Some(Renewal::Unknown), "two may come back");
        assert_eq!(judge(&[]), Some(Renewal::Unknown));
        assert_eq!(judge(&[Gone, Gone, Gone, Ours, Ours]), Some(Renewal::Lost(Loss::Deleted)));
        assert_eq!(judge(&[Gone, Theirs, Theirs]), Some(Renewal::Lost(Loss::Taken)));
    }
}
