//! How many loads run at once, and who waits for a turn.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Ask, Limits, Policy};
use crate::{
    engine::Engine,
    key::Key,
    observe::Level,
    sync::{self, Mutex, lock},
};

/// So many templates with a limit of their own are remembered at once.
const TEMPLATES: usize = 1024;

/// The loads of one cache that run, and those that wait for it.
#[derive(Debug)]
pub(crate) struct Turns {
    all: Arc<Gate>,
    templates: Mutex<HashMap<(String, usize), Arc<Gate>>>,
    limits: Limits,
}

/// Leave to load. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Turn {
    _all: Option<Pass>,
    _template: Option<Pass>,
}

/// How long a caller stands in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It can be given nothing but what its load brings.
    Long,
    /// It can be told that there is no turn for it.
    Bounded,
    /// It has something else to answer with.
    None,
}

/// No turn for this caller: too many wait, or it has waited too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded;

impl Ask {
    /// Leave to load `key`, when it is this caller's turn. A load inside another one needs none: parents that hold
    /// all passes would wait for their children.
    pub(super) async fn turn(
        &self,
        engine: &Engine,
        key: &Key,
        has_old: bool,
    ) -> Result<Option<Box<Turn>>, Crowded> {
        if self.nested {
            return Ok(None);
        }
        let patience = match self.policy.time_limit() {
            _ if has_old => Patience::None,
            Some(_) => Patience::Bounded,
            None => Patience::Long,
        };
        let turn = engine.turns.take(key.template(), &self.policy, patience).await?;
        Ok(Some(Box::new(turn)))
    }
}

impl Turns {
    pub(super) fn new(limits: Limits) -> Self {
        let all = Arc::new(Gate::new(limits.max_loads));
        Self { all, templates: Mutex::default(), limits }
    }

    /// Waits for a turn. The template's comes first: while it waits for the other it keeps nobody of
    /// another template from loading.
    ///
    /// # Cancel safety
    ///
    /// Dropped in mid-way it has left the line.
    async fn take(
        &self,
        template: &str,
        policy: &Policy,
        patience: Patience,
    ) -> Result<Turn, Crowded> {
        let own = policy.loads_of_template().and_then(|loads| self.gate(template, loads));
        let own = match own {
            Some(gate) => self.enter(&gate, patience).await?,
            None => None,
        };
        Ok(Turn { _all: self.enter(&self.all, patience).await?, _template: own })
    }

    /// Those that nobody can tell go without a pass when they have waited for a load's longest time: what holds all
    /// passes may be waiting for them.
    async fn enter(&self, gate: &Arc<Gate>, patience: Patience) -> Result<Option<Pass>, Crowded> {
        if let Some(pass) = gate.pass() {
            return Ok(Some(pass));
        }
        if patience == Patience::None {
            return Err(Crowded);
        }
        let Some(_place) = Place::take(gate, patience, self.limits.load_queue) else {
            return Err(Crowded);
        };
        let wait = match patience {
            Patience::Long => self.limits.load_timeout,
            Patience::Bounded | Patience::None => self.limits.load_wait,
        };
        let pass = sync::within(wait, gate.passes.clone().acquire_owned()).await;
        match (pass.and_then(Result::ok), patience) {
            (Some(permit), _) => Ok(Some(Pass::new(permit))),
            (None, Patience::Long) => Ok(None),
            (None, _) => Err(Crowded),
        }
    }

    /// The line before this template; none where too many templates have one.
    fn gate(&self, template: &str, loads: usize) -> Option<Arc<Gate>> {
        let mut templates = lock(&self.templates);
        let name = (template.to_owned(), loads);
        if templates.len() >= TEMPLATES && !templates.contains_key(&name) {
            templates.retain(|_, gate| Arc::strong_count(gate) > 1 || gate.running() > 0);
            if templates.len() >= TEMPLATES {
                return None;
            }
        }
        Some(templates.entry(name).or_insert_with(|| Arc::new(Gate::new(loads))).clone())
    }

    /// How many loads run that took a turn.
    pub(super) fn running(&self) -> usize {
        self.all.running()
    }

    /// How many callers wait for a turn.
    pub(super) fn waiting(&self) -> usize {
        let own = |gate: &Arc<Gate>| gate.waiting.load(Ordering::Relaxed);
        own(&self.all) + lock(&self.templates).values().map(own).sum::<usize>()
    }
}

/// What lets so many in at once.
#[derive(Debug)]
struct Gate {
    passes: Arc<Semaphore>,
    limit: usize,
    waiting: AtomicUsize,
}

impl Gate {
    fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self { passes: Arc::new(Semaphore::new(limit)), limit, waiting: AtomicUsize::new(0) }
    }

    /// A pass, if nobody has to wait.
    fn pass(&self) -> Option<Pass> {
        self.passes.clone().try_acquire_owned().ok().map(Pass::new)
    }

    fn running(&self) -> usize {
        self.limit.saturating_sub(self.passes.available_permits())
    }
}

#[derive(Debug)]
struct Pass {
    _permit: OwnedSemaphorePermit,
    _counted: Level,
}

impl Pass {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: permit, _counted: Level::load_runs() }
    }
}

/// A place in a line. Dropping it leaves the line.
#[derive(Debug)]
struct Place<'a> {
    gate: &'a Gate,
    _counted: Level,
}

impl<'a> Place<'a> {
    /// A place; none for a caller that can be told so where the line is full. The others wait in their own futures,
    /// which are there anyway.
    fn take(gate: &'a Gate, patience: Patience, most: usize) -> Option<Self> {
        let before = gate.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place { gate, _counted: Level::load_waits() };
        (before < most || patience == Patience::Long).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
