//! The keys of a batch that no tier of this process has, and who is to do what for them.

use std::{sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;

use super::part::Part;
use crate::{
    __private::Shared,
    cache::{Answer, Ask, Status, turns::Turn},
    engine::Engine,
    flight::Verdict,
    key::Key,
    mutant::{self, Mutant},
};

/// The first pause before a lease of another process is looked at again.
pub(super) const PAUSE: Duration = Duration::from_millis(2);

/// What the caller is to do now.
#[derive(Debug)]
pub(super) enum Go {
    /// Load these places, then [`Batch::settle`]; or nothing, if there is none.
    Load(Vec<usize>),
    /// Somebody else's load of this place failed, with an error that can be cloned.
    Failed(usize, Shared),
}

/// An answer that a batch found for one of its keys.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) place: usize,
    pub(super) answer: Answer,
    pub(super) status: Status,
}

/// One caller's way through the flights of many keys. Drop it at any time: each flight goes on under
/// somebody else, and whoever leaves one last gives up what it held.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) engine: Arc<Engine>,
    pub(super) ask: Ask,
    /// Keys whose flights are not joined yet.
    pub(super) unseen: Vec<(usize, Key)>,
    pub(super) parts: Vec<Part>,
    pub(super) given: Vec<Given>,
    /// Places whose load somebody else has tried in vain, not told of yet.
    failed: Vec<(usize, Shared)>,
    /// Leave to run the load under way, for all keys that need it.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// Its turn among all loads, for the one under way.
    pub(super) turn: Option<Box<Turn>>,
    pub(super) pause: Duration,
}

impl Batch {
    pub(super) fn new(engine: &Arc<Engine>, keys: Vec<(usize, Key)>, ask: Ask) -> Self {
        Self {
            engine: engine.clone(),
            ask,
            unseen: keys,
            parts: Vec::new(),
            given: Vec::new(),
            failed: Vec::new(),
            permit: None,
            turn: None,
            pause: PAUSE,
        }
    }

    /// Goes on until there is something to load, or nothing left to do. Without `waits` it does not
    /// wait for other callers.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way together with the batch, its flights go on.
    pub(super) async fn next(&mut self, waits: bool) -> Go {
        if !self.unseen.is_empty() {
            self.look().await;
        }
        while self.failed.is_empty() {
            self.take_turns();
            self.lead().await;
            self.collect();
            if self.is_to_load() || self.parts.is_empty() || !waits {
                break;
            }
            self.wait().await;
            self.collect();
        }
        match self.failed.pop() {
            Some((place, error)) => Go::Failed(place, error),
            None => Go::Load(self.begin_load().await),
        }
    }

    /// What this caller leads is loaded before it waits for others, who may be waiting for it.
    fn is_to_load(&self) -> bool {
        let waits_first = mutant::on(Mutant::BatchWaitsFirst);
        self.parts.iter().any(Part::is_loading)
            && !(waits_first && self.parts.iter().any(Part::follows))
    }

    fn take_turns(&mut self) {
        for part in self.parts.iter_mut().filter(|part| part.follows()) {
            if let Some(turn) = part.attempt.member.try_turn() {
                part.take(turn);
            }
        }
    }

    async fn lead(&mut self) {
        for part in self.parts.iter_mut().filter(|part| part.leads()) {
            Box::pin(part.lead_here()).await;
        }
        #[cfg(any(feature = "redis", shuttle))]
        self.lead_remote().await;
    }

    /// Takes out the parts that have their verdicts.
    pub(super) fn collect(&mut self) {
        let Self { parts, given, failed, .. } = self;
        parts.retain_mut(|part| {
            let Some(verdict) = part.verdict.take() else { return true };
            let place = part.place;
            if let Verdict::Error(error) = &verdict {
                failed.push((place, error.clone()));
            }
            if let Some((answer, status)) = part.answer(verdict) {
                given.push(Given { place, answer, status });
            }
            false
        });
    }

    /// The places to load. All that is not loaded is left to others meanwhile.
    async fn begin_load(&mut self) -> Vec<usize> {
        self.parts.iter_mut().for_each(Part::look_away);
        // First, as wherever both are needed: who waits for it must not keep others from their turn.
        if !self.ask.nested && self.parts.iter().any(Part::needs_permit) {
            self.permit = self.engine.load_permit().await;
        }
        if let Some(part) = self.parts.iter().find(|part| part.is_loading())
            && self.turn.is_none()
        {
            // Refused to nobody who has no time limit.
            self.turn = self.ask.turn(&self.engine, part.attempt.key(), false).await.ok().flatten();
        }
        let loading = self.parts.iter().filter(|part| part.is_loading());
        loading.map(|part| part.place).collect()
    }
}
