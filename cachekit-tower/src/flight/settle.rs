//! How a run ends for the members of its flight.

use std::{any::Any, task::Waker};

use super::{seats::MemberId, state::State};

/// What the starter alone is given. It knows the type.
pub(crate) type Own = Box<dyn Any + Send>;

/// So many runs of a flight may fail.
const FAILURES: u32 = 3;

/// How a run ended.
pub(crate) struct Ended<T> {
    pub(crate) own: Own,
    pub(crate) others: Others<T>,
}

/// What members other than the starter are given.
#[derive(Clone, Debug)]
pub(crate) enum Others<T> {
    /// This, all of them: whether it was stored as well is not the flight's concern.
    All(T),
    /// This, if they joined before the run began. The rest forms the next flight: the run was refused.
    Early(T),
    /// Nothing: there are none.
    Nobody,
    /// Nothing: it is for the starter alone. Each of them is on its own, at once, and so is each of those who wait for the
    /// end of the flight.
    Apart,
    /// Nothing: one after the other runs. `failed`: not for ever.
    Next { failed: bool },
}

/// What a member is given.
pub(crate) enum Verdict<T> {
    /// It started the run.
    Own(Own),
    Shared(T),
    /// Join another flight.
    Again,
    /// Run outside all flights.
    Alone,
    /// Run after run has failed.
    Failed,
}

impl<T> std::fmt::Debug for Verdict<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Own(_) => "Own(..)",
            Self::Shared(_) => "Shared(..)",
            Self::Again => "Again",
            Self::Alone => "Alone",
            Self::Failed => "Failed",
        })
    }
}

/// What is to be done without locks once a run has ended.
#[derive(Debug)]
pub(super) struct After<T> {
    /// The driver's. If it has one, its seat is taken away: it is spared two more looks at the flight.
    pub(super) verdict: Option<Verdict<T>>,
    pub(super) wakers: Vec<Waker>,
    /// How many there were.
    pub(super) members: usize,
    /// Whether the flight is to be taken out.
    pub(super) retires: bool,
    /// Whether those are to be let go who wait for its end.
    pub(super) releases: bool,
    /// An answer whose starter is gone.
    pub(super) _own: Option<Box<dyn Any + Send>>,
}

impl<T: Clone> State<T> {
    /// Gives everybody what the run's end means to them; the driver, if it has a verdict, leaves with it.
    pub(super) fn settle(&mut self, driver: MemberId, ended: Ended<T>) -> After<T> {
        let (starter, covered) = (self.starter.take(), self.covered);
        let members = self.seats.waiting().count();
        self.vacate();
        let mut own = Some(ended.own);
        let mut wakers = Vec::new();
        if let Some(seat) = starter.and_then(|id| self.seats.get_mut(id)) {
            seat.serve(own.take().map(Verdict::Own), &mut wakers);
        }
        let releases = matches!(ended.others, Others::Apart);
        wakers.extend(match ended.others {
            Others::All(shared) => self.finish(|_| Verdict::Shared(shared.clone())),
            Others::Early(shared) => self.finish(|id| match id < covered {
                true => Verdict::Shared(shared.clone()),
                false => Verdict::Again,
            }),
            Others::Nobody | Others::Apart => self.finish(|_| Verdict::Alone),
            Others::Next { failed } => self.next(failed),
        });
        let verdict = self.seats.get_mut(driver).and_then(|seat| seat.verdict.take());
        if verdict.is_some() {
            self.seats.remove(driver);
        }
        After { verdict, wakers, members, retires: self.is_to_retire(), releases, _own: own }
    }

    /// There will be no run: everybody is on its own.
    pub(super) fn release(&mut self) -> Vec<Waker> {
        self.retired = true;
        self.finish(|_| Verdict::Alone)
    }

    /// The run broke down in its driver's hands.
    pub(super) fn broke(&mut self) -> Vec<Waker> {
        let starter = self.starter.take();
        self.vacate();
        let mut wakers = Vec::new();
        if let Some(seat) = starter.and_then(|id| self.seats.get_mut(id)) {
            // Its request went with the run.
            seat.serve(Some(Verdict::Failed), &mut wakers);
        }
        wakers.extend(self.next(true));
        wakers
    }

    fn vacate(&mut self) {
        (self.running, self.driver, self.deputy) = (false, None, None);
        self.calls = false;
    }

    /// Lets one member after the other run.
    fn next(&mut self, failed: bool) -> Vec<Waker> {
        self.failures += u32::from(failed);
        if self.failures >= FAILURES {
            return self.finish(|_| Verdict::Failed);
        }
        if self.seats.waiting().next().is_none() {
            self.over = true;
            return Vec::new();
        }
        self.call()
    }

    fn finish(&mut self, mut verdict: impl FnMut(MemberId) -> Verdict<T>) -> Vec<Waker> {
        self.over = true;
        let mut wakers = Vec::new();
        for (id, seat) in self.seats.waiting() {
            seat.serve(Some(verdict(id)), &mut wakers);
        }
        wakers
    }
}

impl<T> super::seats::Seat<T> {
    fn serve(&mut self, verdict: Option<Verdict<T>>, wakers: &mut Vec<Waker>) {
        self.verdict = verdict;
        self.served = true;
        wakers.extend(self.waker.take());
    }
}
