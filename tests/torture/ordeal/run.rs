//! One run, from the start of its servers to the verdict.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use fastrand::Rng;
use tokio::time::{self, Instant};

use super::{
    member::Surroundings,
    nemesis::{Members, Redis, Term},
    outcome::{Outcome, Wrong},
    outsider,
    setup::Setup,
    world::World,
};
use crate::{
    check::{Summary, longest, unsettled},
    clock,
    host::Hosted,
    journal, rows,
    settings::comes,
};

/// How long after the last fault all may take to come to rest: relays try a row that was refused often once a minute.
const SETTLES: Duration = Duration::from_secs(90);

/// How long a process may take to say what it was asked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// For how long nothing fails any more before callers rest.
const HEALTHY: Duration = Duration::from_secs(1);

/// A lease's life, as much as a clock is ever set back, and some more.
const LEASE: Duration = Duration::from_secs(10);

/// What processes count of their own doing, in the order in which they tell.
const MISHAPS: [&str; 4] =
    ["callers that left", "loads that failed", "loads that panicked", "loads slower than 100 ms"];

/// Runs `setup` on a database of this kind.
///
/// # Panics
/// When a server does not start, or a process dies that nobody killed.
pub async fn run<DB: Hosted>(setup: &Setup) -> Outcome {
    let mut world = World::<DB>::start(setup).await;
    world.work(setup).await;
    let mut wrong = Wrong::default();
    world.rest(setup, &mut wrong).await;
    let rest = clock::now();
    let truth = world.truth(setup).await;
    world.look().await;
    wrong.leases = world.leases(setup).await;
    let history = world.end().await;
    wrong.unsettled = unsettled(&history, rest, &truth).len();
    let mut summary = Summary::within(setup.bound, &history);
    // How long another program waits for its database is not this library's doing.
    summary.longest = longest(history.iter().filter(|event| event.process != outsider::PROCESS));
    let World { faults, mishaps, .. } = world;
    let setup = setup.clone();
    Outcome { setup, database: DB::KIND, faults, mishaps, summary, wrong, history }
}

impl<DB: Hosted> World<DB> {
    /// Lets the callers call while everything fails.
    async fn work(&mut self, setup: &Setup) {
        let end = Instant::now() + Duration::from_secs(setup.seconds);
        if setup.faults {
            let mut rng = Rng::with_seed(setup.seed);
            self.suffer(setup, end, &mut rng).await;
        }
        // The last fault may have lasted: every run ends with reads of a healthy cache.
        time::sleep_until(end.max(Instant::now() + HEALTHY)).await;
    }

    async fn suffer(&mut self, setup: &Setup, end: Instant, rng: &mut Rng) {
        let term = Term { until: end - HEALTHY, calm: setup.calm };
        let journal = self.outside();
        let around = Surroundings::of::<DB>(setup, &self.dir, &self.redis, &self.server);
        let redis = Redis { server: &mut self.redis, clock: &self.clock, keys: setup.keys };
        let members = Members::<DB> {
            members: &mut self.members,
            next: &mut self.next,
            server: &mut self.server,
            pool: self.pool.clone(),
            around,
        };
        let outsider = outsider::write(self.pool.clone(), &journal, setup.keys, end, rng.fork());
        let (redis, members, outside) =
            tokio::join!(redis.haunt(term, rng.fork()), members.haunt(term, rng.fork()), outsider);
        self.faults.merge(&redis);
        self.faults.merge(&members);
        self.mishaps.add("writes by another program", outside);
    }

    /// Where the other program notes what it writes.
    fn outside(&self) -> PathBuf {
        self.dir.path().join(outsider::PROCESS.to_string())
    }

    /// Lets no caller begin anew, and waits until the outbox is empty. Where nobody empties it, another program has the last
    /// word: with relays that would hide what they missed.
    async fn rest(&mut self, setup: &Setup, wrong: &mut Wrong) {
        for member in &mut self.members {
            member.worker.say("rest").await;
        }
        for member in &mut self.members {
            let counts = member.hears("rests", PATIENCE).await;
            for (kind, count) in MISHAPS.into_iter().zip(counts) {
                self.mishaps.add(kind, count);
            }
        }
        if setup.faults && !setup.relay {
            // What nobody has read is in no cache.
            self.look().await;
            outsider::write_all(&self.pool, &self.outside(), setup.keys).await;
        }
        if setup.relay {
            let pool = self.pool.clone();
            let pending =
                async || rows::count(&pool, "cachekit_outbox WHERE state = 0").await.unwrap_or(1);
            comes(SETTLES, async || pending().await == 0).await;
            wrong.pending = pending().await;
        }
    }

    /// What the database has.
    async fn truth(&self, setup: &Setup) -> HashMap<u32, u64> {
        let mut conn = self.pool.acquire().await.expect("a connection");
        let all = (0..setup.keys).collect::<Vec<_>>();
        let versions = rows::versions::<DB>(&mut conn, &all).await.expect("the versions");
        (0..)
            .zip(versions.into_iter().map(|version| u64::try_from(version).expect("versions grow")))
            .collect()
    }

    /// Lets every process read every item.
    async fn look(&mut self) {
        for member in &mut self.members {
            member.worker.say("look").await;
        }
        for member in &mut self.members {
            member.hears("looked", PATIENCE).await;
        }
    }

    /// How many leases are left when the last of them has run out, whatever Redis's clock was set to.
    async fn leases(&self, setup: &Setup) -> usize {
        let count = || {
            let mut redis = self.redis.connection();
            let keys = (0..setup.keys).map(|id| format!("ck:{}:item:{id}", crate::service::ORDEAL));
            let kind = |key: String| redis.call(&["GETRANGE", &key, "0", "2"]).bytes();
            // The magic byte, the format, and the kind.
            keys.map(kind).filter(|head| head.as_deref() == Some(&[0xCA, 1, b'L'][..])).count()
        };
        comes(LEASE, async || count() == 0).await;
        count()
    }

    /// Ends all processes, and gathers what they noted.
    async fn end(&mut self) -> Vec<crate::history::Event> {
        for mut member in std::mem::take(&mut self.members) {
            member.worker.say("end").await;
            member.worker.finish(PATIENCE).await;
        }
        let mut history = Vec::new();
        for entry in std::fs::read_dir(self.dir.path()).expect("the folder").flatten() {
            history.extend(journal::read(&entry.path()).expect("a journal"));
        }
        history
    }
}
