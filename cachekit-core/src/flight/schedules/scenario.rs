//! Scenarios: who takes part, and what may go wrong.

use std::time::Duration;

use shuttle::future::{JoinHandle, block_on, spawn};

use super::{
    actors, batch,
    reader::Manner,
    server::{Faults, dawdle, percent},
    world::World,
};
use crate::{cache::Limits, mutant, sync};

/// One kind of schedule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub(super) processes: usize,
    /// Whether they share a store; else there is one process and its own tier.
    pub(super) store: bool,
    /// Whether processes keep copies of what the store has, which nobody tells them about.
    pub(super) copies: bool,
    pub(super) faults: Faults,
    /// Whether reads must not go back in time.
    pub(super) atomic: bool,
    /// Whether those who wait may run out of patience.
    pub(super) impatient: bool,
    /// How often a load fails, in percent.
    pub(super) failing_loads: u32,
    pub(super) readers: usize,
    /// How many loads there may be in all.
    pub(super) most_loads: usize,
    /// How often each reader reads.
    pub(super) reads: usize,
    pub(super) manners: &'static [Manner],
    /// How often a caller goes away before its time, in percent.
    pub(super) fickle: u32,
    /// Readers of several rows at once; writers then write them all.
    pub(super) batches: usize,
    pub(super) hoarders: usize,
    pub(super) writers: usize,
    pub(super) foreign_writers: usize,
    /// Whether they take their time from the commit to the UNLINK.
    pub(super) slow_writers: bool,
    /// Whether replies take long, and loads after they read the row.
    pub(super) slow_replies: bool,
    /// Whether the store has the row's first version from the start.
    pub(super) warm: bool,
    pub(super) bystanders: usize,
    /// Whether leases run out and entries are evicted at any time.
    pub(super) reaper: bool,
    pub(super) vandal: bool,
    /// Whether the runtime of background work ends.
    pub(super) runtime_end: bool,
    /// Whether the in-process tier's entries run out.
    pub(super) time: bool,
    /// Whether readers name a tag, and writers invalidate it in place of the key.
    pub(super) tags: bool,
    pub(super) lease_wait: Duration,
    pub(super) queue_limit: usize,
}

/// One process, nothing else.
pub(super) const EMBEDDED: Scenario = Scenario {
    processes: 1,
    store: false,
    copies: false,
    faults: Faults { lost: 0, refused: 0, full: 0, down: 0 },
    atomic: false,
    impatient: false,
    failing_loads: 0,
    readers: 3,
    most_loads: usize::MAX,
    reads: 2,
    manners: &[Manner::Plain],
    fickle: 30,
    batches: 0,
    hoarders: 0,
    writers: 0,
    foreign_writers: 0,
    slow_writers: false,
    slow_replies: false,
    warm: false,
    bystanders: 0,
    reaper: false,
    vandal: false,
    runtime_end: false,
    time: false,
    tags: false,
    lease_wait: Duration::from_millis(20),
    queue_limit: 100,
};

/// One process and a store that others write to as well.
pub(super) const STORE: Scenario = Scenario { store: true, foreign_writers: 1, ..EMBEDDED };

/// Two processes on one store.
pub(super) const TWO_PROCESSES: Scenario = Scenario { processes: 2, readers: 4, ..STORE };

/// Nobody reads past a lease, however long it is held.
pub(super) const FOR_EVER: Duration = Duration::from_secs(1 << 30);

impl Scenario {
    /// Plays one schedule and judges it.
    pub(super) fn play(self) {
        fastrand::seed(shuttle::rand::RngCore::next_u64(&mut shuttle::rand::thread_rng()));
        sync::restart();
        block_on(async move {
            let world = World::new(&self);
            let db = world.db.clone();
            for actor in self.cast(&world) {
                let _aborted = actor.await.is_err();
            }
            if db.loads() > self.most_loads {
                db.complain(format!("{} loads", db.loads()));
            }
            if self.runtime_end {
                world.find_another_runtime().await;
            }
            world.come_to_rest().await;
            db.judge();
        });
    }

    fn cast(self, world: &World) -> Vec<JoinHandle<()>> {
        let mut cast = Vec::new();
        for _ in 0..self.readers {
            let reader = spawn(actors::reader(world.clone(), self));
            if percent() < self.fickle / 2 {
                let reader = reader.abort_handle();
                cast.push(spawn(async move {
                    dawdle().await;
                    dawdle().await;
                    reader.abort();
                }));
            }
            cast.push(reader);
        }
        for _ in 0..self.batches {
            cast.push(spawn(batch::batch_reader(world.clone(), self)));
        }
        let each = |count: usize| (0..count).map(|_| world.clone());
        cast.extend(each(self.hoarders).map(|world| spawn(actors::hoarder(world))));
        cast.extend(each(self.writers).map(|world| spawn(actors::writer(world, self))));
        cast.extend(
            each(self.foreign_writers).map(|world| spawn(actors::foreign_writer(world, self))),
        );
        cast.extend(each(self.bystanders).map(|world| spawn(actors::bystander(world))));
        cast.extend(each(self.reaper.into()).map(|world| spawn(actors::reaper(world))));
        cast.extend(each(self.vandal.into()).map(|world| spawn(actors::vandal(world))));
        cast.extend((0..self.runtime_end.into()).map(|_| spawn(actors::runtime_end())));
        cast.extend(each(self.time.into()).map(|world| spawn(actors::time(world))));
        cast
    }

    /// Sets what the schedules of this scenario break; they run on this thread.
    pub(super) fn arm(&self, mutant: Option<mutant::Mutant>) {
        mutant::set(mutant, self.impatient);
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            lease_wait: self.lease_wait,
            queue_limit: self.queue_limit,
            load_limit: 2,
            ..Limits::default()
        }
    }
}
