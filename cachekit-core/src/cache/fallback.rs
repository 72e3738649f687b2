//! What a caller is answered whose load failed, or is not through in time.

use std::sync::{Arc, OnceLock};

use super::{
    Age, Answer, Ask, Attempt, Mark, Old, Status, Way,
    attempt::{Lead, Load},
};
use crate::{
    __private::Split,
    engine::Engine,
    flight::{Role, Verdict},
    key::{Key, StoredKey, Tag},
    store::StoreError,
    sync,
    tier::{Bound, Entry, Map, View},
};

/// What the cache has for a key now.
enum AtHand {
    Fresh(Answer),
    /// It has been out of date for so many milliseconds.
    Stale(Answer, u64),
}

impl AtHand {
    /// A look of the caller's own: what it finds was not invalidated before the caller came, so far as this process has
    /// been told if `copies` of what the shared tier has are answers too.
    async fn look(
        engine: &Arc<Engine>,
        key: &Key,
        ask: &Ask,
        tags: &[Tag],
        copies: bool,
    ) -> Result<Option<Self>, StoreError> {
        if engine.barred_under(key, tags).is_some() {
            return Ok(None);
        }
        if engine.serves_here(&ask.policy)
            && (copies || engine.copies.is_none())
            && let Some((entry, now_ms)) = engine.local_under(&key.as_ref(), tags)
        {
            let age = entry.extra().map(|extra| Age::of_local(extra, now_ms));
            return Ok(Some(Self::of(entry.into_answer(), age)));
        }
        let found = engine.store.read_by(key.as_str(), ask, tags).await?;
        Ok(found.map(|found| {
            let age = Age::of(&found);
            Self::of(found.answer, Some(age))
        }))
    }

    fn of(answer: Answer, age: Option<Age>) -> Self {
        match age.and_then(|age| age.left_ms) {
            Some(left) if left <= 0 => Self::Stale(answer, left.unsigned_abs()),
            _ => Self::Fresh(answer),
        }
    }
}

impl Attempt {
    /// Whether an entry so old is an answer should the load fail.
    pub(super) fn may_fall_back_on(&self, age: &Age, answer: &Answer) -> bool {
        let policy = self.ask.policy.of(answer);
        let overdue = age.left_ms.filter(|left| *left <= 0);
        overdue.is_some_and(|left| policy.tolerates(left.unsigned_abs()))
    }

    /// Whether there is such an entry in this process.
    pub(super) fn has_old(&self) -> bool {
        if !self.ask.policy.tolerates(0) {
            return false;
        }
        let found = self.engine.local_under(&self.key().as_ref(), self.tags());
        found.is_some_and(|(entry, now_ms)| {
            let age = entry.extra().map(|extra| Age::of_local(extra, now_ms));
            age.is_some_and(|age| self.may_fall_back_on(&age, entry.answer()))
        })
    }

    /// A load failed that there is an old answer for: whether nobody of this process tries again for a while.
    pub(super) fn pauses_after_failure(&self, old: &mut Option<Box<Old>>) -> bool {
        let Some(old) = old.take() else { return false };
        let Some(mut mark) = old.mark.filter(|_| self.may_fall_back_on(&old.age, &old.answer))
        else {
            return false;
        };
        mark.fail(self.ask.policy.retry_after_ms());
        true
    }

    /// Its caller's time is up, which is a failure of its load.
    pub(super) fn gives_up(&mut self) {
        let mut old = match self.load.as_mut() {
            Some(Load::Embedded { lease, .. }) => lease.old.take(),
            #[cfg(any(feature = "redis", shuttle))]
            Some(Load::Leased { lease, .. }) => lease.old.take(),
            _ => None,
        };
        self.pauses_after_failure(&mut old);
    }

    /// There is no turn to load for this leader: everybody is given the old answer, or the leader an error.
    pub(super) async fn crowded_out(&self, role: Role) -> Lead {
        // Whoever came after the look may have come after an invalidation that it did not see.
        if role.look_begins().is_none() {
            return Lead::Over;
        }
        // No copies: the answer is also for members inside loads, and for those who know of what was written.
        match AtHand::look(&self.engine, self.key(), &self.ask, self.tags(), false).await {
            Ok(Some(AtHand::Fresh(answer))) => role.hit(answer, Status::Hit).into(),
            Ok(Some(AtHand::Stale(answer, for_ms)))
                if self.ask.policy.of(&answer).tolerates(for_ms) =>
            {
                self.engine.reporter.stale(self.key().template(), "crowded");
                role.hit(answer, Status::Stale).into()
            }
            _ => Lead::Given(Verdict::Refused),
        }
    }

    /// What was known last, where a load has failed only now and the user takes even what was invalidated.
    pub(super) fn known_while_failing(&self) -> Option<Answer> {
        let (engine, key) = (&self.engine, self.key());
        let now_ms = engine.clock.now_ms();
        let asked = self.ask.policy.serves_invalidated();
        let failing = asked && engine.marks.is_failing(&key.as_ref(), now_ms);
        failing.then(|| engine.last_known.get(key, now_ms)).flatten()
    }
}

impl Way {
    /// Whether this is not the last word.
    pub(crate) fn may_do_better(&self, verdict: &Verdict, failed: bool) -> bool {
        let Some(policy) = self.ask.as_ref().map(|ask| &ask.policy) else { return false };
        match verdict {
            Verdict::Answer(_, Status::Stale) => policy.patience_with_old().is_some(),
            Verdict::Own(_) if !failed => false,
            Verdict::Own(_) | Verdict::Error(_) | Verdict::Refused => {
                policy.tolerates(0) || policy.serves_invalidated()
            }
            Verdict::Answer(..) | Verdict::Alone => false,
        }
    }

    /// Another verdict in the place of one that is not the last word; `None` to go on.
    ///
    /// # Cancel safety
    ///
    /// It leaves nothing behind.
    pub(crate) async fn do_better(&mut self, verdict: Verdict) -> Option<Verdict> {
        // Its flight is over, and the next one cannot start before all have left it.
        self.leave();
        match verdict {
            Verdict::Answer(old, _) => {
                let answer = self.wait_for_new(old).await;
                if answer.is_none() {
                    self.begin_again();
                }
                answer
            }
            verdict => Some(self.fall_back("error").await.unwrap_or(verdict)),
        }
    }

    /// An old answer in the place of an error.
    pub(crate) async fn fall_back(&self, reason: &'static str) -> Option<Verdict> {
        let (ask, (engine, key)) = (self.ask.as_ref()?, self.subject()?);
        let template = key.template();
        let found = match ask.policy.tolerates(0) {
            true => {
                let copies = self.takes_copies(engine, key);
                AtHand::look(engine, key, ask, self.tags(), copies).await.ok().flatten()
            }
            false => None,
        };
        match found {
            Some(AtHand::Fresh(answer)) => return Some(Verdict::Answer(answer, Status::Joined)),
            Some(AtHand::Stale(answer, for_ms)) if ask.policy.of(&answer).tolerates(for_ms) => {
                engine.reporter.stale(template, reason);
                return Some(Verdict::Answer(answer, Status::Stale));
            }
            _ => {}
        }
        if !ask.policy.serves_invalidated() {
            return None;
        }
        let answer = engine.last_known.get(key, engine.clock.now_ms())?;
        if let Some(mut mark) = Mark::take(engine, key, true) {
            mark.fail(ask.policy.retry_after_ms());
        }
        engine.reporter.stale(template, "last_known");
        Some(Verdict::Answer(answer, Status::Stale))
    }

    /// Waits for the load in the background that brings a new answer, for as long as the policy says. `None`: the old one
    /// was invalidated meanwhile.
    async fn wait_for_new(&self, old: Answer) -> Option<Verdict> {
        let stale = Some(Verdict::Answer(old, Status::Stale));
        let (Some(ask), Some((engine, key))) = (self.ask.as_ref(), self.subject()) else {
            return stale;
        };
        let key_ref = key.as_ref();
        let end = std::pin::pin!(engine.marks.until_let_go(&key_ref));
        match sync::at_most(ask.policy.patience_with_old(), end).await {
            Some(true) => {}
            // Nobody loads: it has failed only now, or there is no room for it.
            Some(false) => return stale,
            None => engine.reporter.stale(key.template(), "soft_timeout"),
        }
        let copies = self.takes_copies(engine, key);
        match AtHand::look(engine, key, ask, self.tags(), copies).await {
            Ok(Some(AtHand::Fresh(answer))) => Some(Verdict::Answer(answer, Status::Joined)),
            // Where it cannot be looked up: it was there after the caller came.
            Ok(Some(AtHand::Stale(..))) | Err(_) => stale,
            Ok(None) => None,
        }
    }

    fn takes_copies(&self, engine: &Arc<Engine>, key: &Key) -> bool {
        self.context.takes_copies(engine, &key.as_ref(), self.tags())
    }

    /// Remembers what is to be known later on, and says whether a load failed.
    pub(crate) fn note(&self, split: Option<&Split>) -> bool {
        match split {
            Some(Split::Value(value)) => {
                let answer = Answer::Value(value.clone());
                if self.ask.as_ref().is_some_and(|ask| ask.policy.is_failure(&answer)) {
                    return true;
                }
                self.know(&answer);
            }
            Some(Split::Absent) => self.know(&Answer::Absent),
            Some(Split::Failed(_)) => return true,
            Some(Split::Apart) | None => {}
        }
        false
    }

    /// Remembers an answer that somebody else found.
    pub(crate) fn note_answer(&self, verdict: &Verdict) {
        if let Verdict::Answer(answer, Status::Hit | Status::Joined) = verdict {
            self.know(answer);
        }
    }

    fn know(&self, answer: &Answer) {
        let Some(ask) = self.ask.as_ref().filter(|ask| ask.policy.serves_invalidated()) else {
            return;
        };
        let Some((engine, key)) = self.subject() else { return };
        if let Some(lifetime) = ask.policy.draw_lifetime(answer) {
            engine.last_known.put(key, answer, lifetime.kept_ms, engine.clock.now_ms());
        }
    }
}

/// The answers that this process has had last, for those who take even what was invalidated.
#[derive(Debug)]
pub(crate) struct LastKnown {
    map: OnceLock<Option<Map>>,
    entries: usize,
}

impl LastKnown {
    pub(super) fn new(entries: usize) -> Self {
        Self { map: OnceLock::new(), entries }
    }

    /// Made when it is first needed: most caches have none.
    fn map(&self) -> Option<&Map> {
        let make = || Map::new(Bound::Entries(self.entries)).ok();
        self.map.get_or_init(|| (self.entries > 0).then(make).flatten()).as_ref()
    }

    fn put(&self, key: &Key, answer: &Answer, kept_ms: u64, now_ms: u64) {
        let entry = Entry::new(answer.clone(), now_ms.saturating_add(kept_ms), 1, 0);
        drop(self.map().map(|map| map.insert(StoredKey::from(key.as_ref()), entry)));
    }

    fn get(&self, key: &Key, now_ms: u64) -> Option<Answer> {
        let entry = self.map()?.get(&key.as_ref())?;
        entry.is_live(View { now_ms, generation: 0 }).then(|| entry.into_answer())
    }
}
