//! The leader's role in a flight; every change it makes is void once it was deposed.

use std::{sync::Arc, task::Waker};

use super::{Flight, Kept, Phase, Verdict, seats::MemberId, state::State};
use crate::{
    __private::Shared,
    cache::{Answer, Status},
    entry::Id,
    mutant::{self, Mutant},
};

/// Leadership of a flight by one member, for one reign. Dropping it hands flight and lease on.
#[derive(Debug)]
pub(crate) struct Role {
    flight: Arc<Flight>,
    member: MemberId,
    reign: u32,
    /// Whether the flight ended in this reign: there is nothing to hand on.
    done: bool,
}

/// How a leased load stands after its fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Everybody has a verdict.
    Over,
    /// The leader has to probe again.
    ProbeAgain,
    /// The leader was deposed meanwhile and may only serve itself.
    Deposed,
}

impl Role {
    /// Gives `member` the lead of a flight that has none.
    pub(super) fn take(flight: &Arc<Flight>, state: &mut State, member: MemberId) -> Self {
        state.leader = Some(member);
        state.reign += 1;
        Self { flight: flight.clone(), member, reign: state.reign, done: false }
    }

    /// Runs `change` unless this leader was deposed, then wakes whom it names, without locks.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> (T, Vec<Waker>)) -> Option<T> {
        let mut state = self.flight.lock();
        if state.reign != self.reign || state.leader != Some(self.member) {
            return None;
        }
        let (out, wakers) = change(&mut state);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Some(out)
    }

    fn set<T>(&self, change: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.with(|state| (change(state), Vec::new()))
    }

    /// The lease that an earlier leader of this flight left.
    pub(crate) fn lease(&self) -> Option<Id> {
        self.set(|state| state.lease).flatten()
    }

    /// Closes the flight to newcomers, since a probe with this id is about to be sent.
    pub(crate) fn probe_sent(&self, id: Id) -> Option<()> {
        self.set(|state| {
            state.phase = Phase::ProbeSent;
            state.mine.push(id);
        })
    }

    /// Opens the flight again: another process holds the lease, and what it fills is still to be
    /// read.
    pub(crate) fn waits_for_lease(&self, sent: Id) -> Option<()> {
        self.set(|state| {
            state.forget(sent);
            state.phase = Phase::Unsent;
        })
    }

    /// The probe's own id did not enter the key.
    pub(crate) fn forget(&self, id: Id) -> Option<()> {
        self.set(|state| state.forget(id))
    }

    /// Notes an id that a command other than a probe may put under the key.
    pub(crate) fn remember(&self, id: Id) -> Option<()> {
        self.set(|state| state.mine.push(id))
    }

    /// The id this flight sent last; only a broken rule asks for it.
    #[cfg(any(feature = "redis", shuttle))]
    pub(crate) fn last_sent(&self) -> Option<Id> {
        self.set(|state| state.mine.last().copied()).flatten()
    }

    /// Whether this flight sent that id; then the lease is ours whatever became of the reply.
    pub(crate) fn sent(&self, id: Id) -> bool {
        self.set(|state| state.mine.contains(&id)).unwrap_or(false)
    }

    /// The key holds this lease of ours. Members whose value was refused have it now: the key was
    /// absent after their snapshot. `Some(true)`: the leader has a load to run.
    pub(crate) fn granted(&self, id: Id) -> Option<bool> {
        self.with(|state| {
            state.lease = Some(id);
            state.phase = Phase::Leased;
            settle_kept(state, self.member)
        })
        .map(|(loads, _)| loads)
    }

    /// Whether some members' value was refused and is still to be given to them.
    pub(crate) fn has_kept(&self) -> Option<bool> {
        self.set(|state| state.kept.is_some())
    }

    /// Serves members whose value was refused, since no better answer can be had. `Some(true)`:
    /// the leader has a load to run.
    pub(crate) fn serve_kept(&self) -> Option<bool> {
        self.with(|state| settle_kept(state, self.member)).map(|(loads, _)| loads)
    }

    /// The load begins: everybody present is covered by it.
    pub(crate) fn load_begins(&self, phase: Phase) -> Option<()> {
        self.set(|state| {
            state.phase = phase;
            state.covered = state.seats.bound();
        })
    }

    /// Ends the flight with an answer that a probe found in the place of its own id.
    #[cfg(any(feature = "redis", shuttle))]
    pub(crate) fn hit_by(self, id: Id, answer: Answer, status: Status) -> Option<Verdict> {
        self.hit_after(answer, status, |state| state.forget(id))
    }

    /// Ends the flight with an answer that a command found, and gives the leader its own verdict.
    pub(crate) fn hit(self, answer: Answer, status: Status) -> Option<Verdict> {
        self.hit_after(answer, status, |_| ())
    }

    fn hit_after(
        mut self,
        answer: Answer,
        status: Status,
        before: impl FnOnce(&mut State),
    ) -> Option<Verdict> {
        let done = self.with(|state| {
            before(state);
            state.leave_out(self.member);
            let kept = state.kept.take();
            let others = if status == Status::Stale { status } else { Status::Joined };
            let wakers = state.finish(|_| Verdict::Answer(answer.clone(), others));
            (drop_later(kept), wakers)
        });
        self.done = done.is_some();
        done.map(|_| Verdict::Answer(answer, status))
    }

    /// Gives everybody present but the leader an answer that it found, before it loads.
    pub(crate) fn serve_others(&self, answer: &Answer, status: Status) -> Option<()> {
        self.with(|state| {
            let verdict = || Verdict::Answer(answer.clone(), status);
            ((), state.give(|id| (id != self.member).then(verdict)))
        })
    }

    /// Ends the flight with the leader's own answer, whose fill used the lease up.
    pub(crate) fn accepted(&self, answer: &Answer, status: Status) -> Option<()> {
        self.end(answer, status, State::consume_lease)
    }

    /// Ends the flight with the leader's own answer, for everybody in it. A lease that it still
    /// has is given up with it.
    pub(crate) fn served(&self, answer: &Answer, status: Status) -> Option<()> {
        self.end(answer, status, |_| ())
    }

    fn end(&self, answer: &Answer, status: Status, before: impl FnOnce(&mut State)) -> Option<()> {
        self.with(|state| {
            before(state);
            let wakers = state.finish(|id| match id == self.member {
                true => Verdict::Own(status),
                false => Verdict::Answer(answer.clone(), Status::Joined),
            });
            ((), wakers)
        })
    }

    /// Closes the flight to newcomers, since the fill may be accepted from now on.
    pub(crate) fn fill_sent(&self) -> Option<()> {
        self.set(|state| state.phase = Phase::FillSent)
    }

    /// The fill was refused: an invalidation came between. The value is kept for those that
    /// joined before the load, and the key is probed again.
    pub(crate) fn refused(&self, answer: &Answer) -> Settled {
        if mutant::on(Mutant::ShareRefused) {
            return over(self.accepted(answer, Status::Loaded));
        }
        let settled = self.with(|state| {
            state.consume_lease();
            let kept = Kept { answer: answer.clone(), below: state.covered, owner: self.member };
            let earlier = state.kept.replace(kept);
            if mutant::on(Mutant::ReturnRefused) {
                let ((_, kept), wakers) = settle_kept(state, self.member);
                return ((drop_later(kept), Settled::Over), wakers);
            }
            state.phase = Phase::Unsent;
            ((drop_later(earlier), Settled::ProbeAgain), Vec::new())
        });
        settled.map_or(Settled::Deposed, |(_, settled)| settled)
    }

    /// Whether the fill was accepted is unknown: the value serves those that joined before the
    /// load; the others go on under one of them.
    pub(crate) fn unknown(&self, answer: &Answer) -> Settled {
        over(self.with(|state| {
            let everybody = mutant::on(Mutant::ShareUnknown);
            let covered = if everybody { MemberId::MAX } else { state.covered };
            let mut wakers =
                state.give(|id| (id < covered).then(|| own_or(answer, id == self.member)));
            state.vacate();
            wakers.extend(state.wake_a_candidate());
            ((), wakers)
        }))
    }

    /// The load failed. An error that can be cloned serves everybody; else the others go on, in
    /// groups that grow with each failure: nobody can invent an error for them.
    pub(crate) fn failed(&self, error: Option<Shared>, load_limit: usize) -> Option<()> {
        self.with(|state| {
            let wakers = match &error {
                Some(error) => state.finish(|id| match id == self.member {
                    true => Verdict::Own(Status::Loaded),
                    false => Verdict::Error(error.clone()),
                }),
                None => super::error_groups::go_on(state, self.member, load_limit),
            };
            ((), wakers)
        })
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let woken = self.with(|state| {
            state.vacate();
            ((), state.wake_a_candidate().into_iter().collect())
        });
        let _deposed_or_done = woken.is_none();
    }
}

/// Gives the kept value to those it was kept for and clears the way for the others. Says whether
/// the leader is one of these, and hands the value back to be dropped after the lock.
fn settle_kept(state: &mut State, leader: MemberId) -> ((bool, Option<Kept>), Vec<Waker>) {
    let Some(kept) = state.kept.take() else { return ((true, None), Vec::new()) };
    let mut wakers =
        state.give(|id| (id < kept.below).then(|| own_or(&kept.answer, id == kept.owner)));
    let loads = leader >= kept.below;
    if !loads {
        state.vacate();
        wakers.extend(state.wake_a_candidate());
    }
    ((loads, Some(kept)), wakers)
}

fn own_or(answer: &Answer, is_owner: bool) -> Verdict {
    if is_owner {
        Verdict::Own(Status::Loaded)
    } else {
        Verdict::Answer(answer.clone(), Status::Joined)
    }
}

fn over(done: Option<()>) -> Settled {
    if done.is_some() { Settled::Over } else { Settled::Deposed }
}

/// Marks a value that must outlive the lock it was found under.
fn drop_later<T>(value: T) -> T {
    value
}
