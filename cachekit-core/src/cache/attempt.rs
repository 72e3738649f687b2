//! One caller's way to one answer: it waits, leads, loads and settles as its flight tells it.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

#[cfg(any(feature = "redis", shuttle))]
use super::load::Leased;
use super::{
    Answer, Old, Policy, Renewal, Status, Tags, Use,
    turns::{Crowded, Turn as LoadTurn},
};
use crate::{
    __private::{Codec, Split},
    engine::{Engine, LocalFill},
    entry::Stamps,
    flight::{Member, Phase, Role, Settled, Turn, Verdict},
    key::{Key, Tag},
    mutant::{self, Mutant},
    slot::Ticket,
};

/// What a caller wants, besides the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) policy: Policy,
    /// How values of its type are encoded; none for values that stay in this process.
    pub(crate) codec: Option<&'static Codec>,
    /// Whether its type can say "not there".
    pub(crate) optional: bool,
    /// Whether this read stands inside another one's load. Such a load takes no permit: parents
    /// that hold them all would wait for their children.
    pub(crate) nested: bool,
}

/// What the caller is to do now.
#[derive(Debug)]
pub(crate) enum Step {
    /// Run your loader, then [`Attempt::settle`].
    Load,
    /// Here is your answer.
    Done(Verdict),
}

/// A load that the caller was told to run, and under what.
#[derive(Debug)]
pub(super) enum Load {
    /// Its value enters the in-process tier if nothing happens to the key meanwhile.
    Embedded { role: Role, lease: Ticketed },
    /// Its value is filled under a lease, or in the place of an entry that is out of date.
    #[cfg(any(feature = "redis", shuttle))]
    Leased { role: Role, lease: Leased },
    /// Nothing is filled.
    Direct { role: Role, _permit: Option<OwnedSemaphorePermit> },
    /// Nothing is filled, and nobody else is served.
    Alone { _permit: Option<OwnedSemaphorePermit> },
}

/// The ticket a load runs under.
#[derive(Debug)]
pub(super) struct Ticketed {
    pub(super) ticket: Ticket,
    /// What is there meanwhile.
    pub(super) old: Option<Box<Old>>,
    pub(super) began_ms: u64,
    /// The generations of its tags before it began, if it has tags.
    pub(super) stamps: Option<Stamps>,
}

/// What became of a turn at the lead.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum Lead {
    /// There is a load to run.
    Load(Load),
    /// Everybody was served, the leader with this.
    Given(Verdict),
    /// The flight has gone on, or is over: the member waits for its verdict.
    Over,
}

impl From<Option<Verdict>> for Lead {
    fn from(verdict: Option<Verdict>) -> Self {
        verdict.map_or(Self::Over, Self::Given)
    }
}

/// One caller's way through flights to an answer. Drop it at any time: its flight goes on under
/// somebody else, and its last member gives up what it held.
#[derive(Debug)]
pub(crate) struct Attempt {
    // Dropped before the seat: the role must be free when the flight looks for a new leader.
    pub(super) load: Option<Load>,
    pub(super) role: Option<Role>,
    pub(super) member: Member,
    pub(super) engine: Arc<Engine>,
    pub(super) ask: Ask,
    pub(super) tags: Tags,
    /// Why this caller, should it lead, goes past the cache.
    past: Option<&'static str>,
    /// Leave to load, while it loads or is about to.
    turn: Option<Box<LoadTurn>>,
    /// A load in the background that is due.
    pub(super) renewal: Option<Box<Renewal>>,
}

impl Attempt {
    pub(crate) fn new(engine: &Arc<Engine>, key: Key, ask: Ask, tags: Tags) -> Self {
        let member = Member::join(engine, key);
        let engine = engine.clone();
        Self {
            load: None,
            role: None,
            member,
            engine,
            ask,
            tags,
            past: None,
            turn: None,
            renewal: None,
        }
    }

    /// Goes past the cache if it comes to lead: it has waited for the store in vain.
    pub(super) fn past(mut self, reason: &'static str) -> Self {
        self.past = Some(reason);
        self
    }

    pub(super) fn key(&self) -> &Key {
        self.member.key()
    }

    pub(super) fn tags(&self) -> &[Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    pub(super) fn barred(&self) -> Option<&'static str> {
        self.engine.barred_under(self.key(), self.tags())
    }

    /// Goes on until the caller has something to do.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way together with the attempt, it hands its flight on.
    pub(crate) async fn next(&mut self) -> Step {
        loop {
            let role = match self.role.take() {
                Some(role) => role,
                None => match self.member.turn().await {
                    Turn::Lead(role) => role,
                    Turn::Given(Verdict::Alone) => {
                        let permit = self.permit().await;
                        if self.line_up(false).await.is_err() {
                            return Step::Done(Verdict::Refused);
                        }
                        self.load = Some(Load::Alone { _permit: permit });
                        return Step::Load;
                    }
                    Turn::Given(verdict) => return Step::Done(verdict),
                },
            };
            match self.lead(role).await {
                Lead::Load(load) => {
                    self.load = Some(load);
                    return Step::Load;
                }
                Lead::Given(verdict) => return Step::Done(verdict),
                Lead::Over => self.turn = None,
            }
        }
    }

    /// Takes what the loader brought. Answers if nobody else is concerned; else `next` goes on.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way together with the attempt, the fill may or may not have been accepted;
    /// its flight goes on and probes.
    pub(crate) async fn settle(&mut self, split: Split) -> Option<Verdict> {
        // Others may load while this is filled.
        self.turn = None;
        match self.load.take()? {
            Load::Alone { .. } => Some(Verdict::Own(Status::Bypassed)),
            Load::Direct { role, _permit } => self.settle_direct(&role, split),
            Load::Embedded { role, lease } => self.settle_embedded(role, lease, split),
            #[cfg(any(feature = "redis", shuttle))]
            Load::Leased { role, lease } => self.settle_leased(role, lease, split).await,
        }
    }

    /// Why this caller, as the leader, goes past the cache.
    pub(super) fn past_because(&self) -> Option<&'static str> {
        self.past.or_else(|| self.barred())
    }

    /// Finds out what to do as the leader.
    pub(super) async fn lead(&mut self, role: Role) -> Lead {
        if let Some(reason) = self.past_because() {
            return Box::pin(self.go_direct(role, reason)).await;
        }
        match &self.engine.store {
            // There is a value to hand out first.
            crate::store::Store::Embedded if role.has_kept() == Some(true) => {
                self.lead_embedded(role).await
            }
            crate::store::Store::Embedded => match self.line_up(self.has_old()).await {
                Ok(()) => self.lead_embedded(role).await,
                Err(Crowded) => Box::pin(self.crowded_out(role)).await,
            },
            #[cfg(any(feature = "redis", shuttle))]
            _ if self.ask.codec.is_none() => Box::pin(self.go_direct(role, "local")).await,
            #[cfg(any(feature = "redis", shuttle))]
            _ => self.lead_remote(role).await,
        }
    }

    async fn lead_embedded(&mut self, role: Role) -> Lead {
        // With a refused value at hand it is as with a lease: nothing older may come in once it
        // was returned.
        let Some(kept) = role.has_kept() else { return Lead::Over };
        let take = if kept { Ticket::take_alone } else { Ticket::take };
        let Some(ticket) = take(&self.engine.registry, self.key()) else {
            return Box::pin(self.go_direct(role, "dirty")).await;
        };
        if self.tags.is_some() && role.look_begins().is_none() {
            return Lead::Over;
        }
        // The flight before this one may have filled the tier since the caller looked.
        let mut old = None;
        if let Some((entry, now_ms)) = self.engine.local_under(&self.key().as_ref(), self.tags()) {
            old = Old::of_local(&entry, now_ms).map(Box::new);
            match old
                .as_ref()
                .map_or(Use::Answer(Status::Hit), |old| self.use_of(&old.age, &old.answer))
            {
                Use::Answer(status) => return role.hit(entry.into_answer(), status).into(),
                Use::Renew(status) => {
                    let age = old.map(|old| old.age);
                    self.renewal = age.and_then(|age| self.renewal(age, entry.answer()));
                    return role.hit(entry.into_answer(), status).into();
                }
                Use::Load { .. } if kept => {
                    return role.hit(entry.into_answer(), Status::Stale).into();
                }
                Use::Load { others_wait } => {
                    self.begin_anew(&role, old.as_deref_mut(), others_wait)
                }
            }
        }
        let stamps = self.tags.as_deref().map(|tags| self.engine.local_stamps(tags));
        if role.serve_kept() != Some(true) || role.load_begins(Phase::Loading).is_none() {
            return Lead::Over;
        }
        let began_ms = self.engine.clock.now_ms();
        Lead::Load(Load::Embedded { role, lease: Ticketed { ticket, old, began_ms, stamps } })
    }

    /// Loads without the cache, for everybody present. A value that was refused earlier is still
    /// good for those it was kept for.
    pub(super) async fn go_direct(&mut self, role: Role, reason: &'static str) -> Lead {
        if role.serve_kept() != Some(true) {
            return Lead::Over;
        }
        if let Some(answer) = self.known_while_failing() {
            // The others may not have asked for what was invalidated: they go on.
            drop(role);
            return Lead::Given(Verdict::Answer(answer, Status::Stale));
        }
        self.engine.reporter.bypass(self.key().template(), reason);
        // First: who waits for it must not keep others from their turn.
        let permit = self.permit().await;
        if self.line_up(false).await.is_err() {
            return Lead::Given(Verdict::Refused);
        }
        match role.load_begins(Phase::Direct) {
            Some(()) => Lead::Load(Load::Direct { role, _permit: permit }),
            None => Lead::Over,
        }
    }

    /// Waits for its turn to load. Callers that come meanwhile share the load. One that has an old answer for its load to
    /// fall back on does not wait.
    pub(super) async fn line_up(&mut self, has_old: bool) -> Result<(), Crowded> {
        if self.turn.is_none() {
            self.turn = self.ask.turn(&self.engine, self.member.key(), has_old).await?;
        }
        Ok(())
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if self.ask.nested { None } else { self.engine.load_permit().await }
    }

    fn settle_direct(&mut self, role: &Role, split: Split) -> Option<Verdict> {
        let done = match answer_of(split) {
            Ok(answer) => role.served(&answer, Status::Bypassed),
            Err(error) => role.failed(error, self.engine.limits.load_limit),
        };
        own_if_deposed(done, Status::Bypassed)
    }

    fn settle_embedded(
        &mut self,
        role: Role,
        mut lease: Ticketed,
        split: Split,
    ) -> Option<Verdict> {
        let answer = match self.loaded(&role, &mut lease.old, split) {
            Ok(answer) => answer,
            Err(verdict) => return verdict,
        };
        let Some(lifetime) = self.ask.policy.draw_lifetime(&answer) else {
            if self.ask.policy.is_for_now(&answer) {
                return self.settle_unkept(role, &lease, &answer);
            }
            let settled = role.unknown(&answer);
            return self.after(settled, role);
        };
        let policy = &self.ask.policy;
        let cost = self.engine.clock.now_ms().saturating_sub(lease.began_ms);
        let load_cost_ms = cost.try_into().unwrap_or(u32::MAX);
        let stamps = self.stamps_of_fill(&role, lease.stamps);
        let fill =
            LocalFill { answer: &answer, policy, lifetime, load_cost_ms, stamps: stamps.clone() };
        if self.engine.local_fill(&lease.ticket, self.key(), fill) {
            if stamps.is_some_and(|stamps| !self.engine.are_current(&stamps, self.tags())) {
                let settled = role.outdated(&answer);
                return self.after(settled, role);
            }
            return own_if_deposed(role.accepted(&answer, Status::Loaded), Status::Loaded);
        }
        self.engine.reporter.fill_refused(self.key().template());
        let settled = role.refused(&answer);
        self.after(settled, role)
    }

    /// The stamps of a value that is about to enter the in-process tier. From here on nobody joins: who came after a
    /// tag's invalidation is told apart by the generations that are compared after the fill.
    pub(super) fn stamps_of_fill(&self, role: &Role, stamps: Option<Stamps>) -> Option<Stamps> {
        let stamps = stamps?;
        role.fill_sent();
        match mutant::on(Mutant::StampAfterLoad) {
            true => Some(self.engine.local_stamps(self.tags())),
            false => Some(stamps),
        }
    }

    /// What a load that is to be filled brought; a failure is settled with the flight right here.
    pub(super) fn loaded(
        &self,
        role: &Role,
        old: &mut Option<Box<Old>>,
        split: Split,
    ) -> Result<Answer, Option<Verdict>> {
        let apart = matches!(split, Split::Apart);
        let error = match answer_of(split) {
            Ok(answer) if !self.ask.policy.is_failure(&answer) => return Ok(answer),
            // The next one to lead finds the old answer, for all that are left.
            _ if !apart && self.pauses_after_failure(old) => None,
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let done = role.failed(error, self.engine.limits.load_limit);
        Err(own_if_deposed(done, Status::Loaded))
    }

    pub(super) fn after(&mut self, settled: Settled, role: Role) -> Option<Verdict> {
        match settled {
            Settled::Over => None,
            Settled::Deposed => Some(Verdict::Own(Status::Loaded)),
            Settled::ProbeAgain => {
                self.role = Some(role);
                None
            }
        }
    }
}

pub(super) fn answer_of(split: Split) -> Result<Answer, Option<crate::__private::Shared>> {
    match split {
        Split::Value(value) => Ok(Answer::Value(value)),
        Split::Absent => Ok(Answer::Absent),
        Split::Failed(error) => Err(error),
        Split::Apart => Err(None),
    }
}

/// A deposed leader serves itself: the flight went on without it.
pub(super) fn own_if_deposed(done: Option<()>, status: Status) -> Option<Verdict> {
    done.is_none().then_some(Verdict::Own(status))
}
