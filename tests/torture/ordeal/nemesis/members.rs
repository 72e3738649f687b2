//! What happens to the processes, their ways to the servers, and the database.

use std::time::Duration;

use cachekit_test_support::{Command, Cut, Proxy, Rule, named};
use fastrand::Rng;
use rustix::process::Signal;
use sqlx::Pool;
use tokio::time;

use super::{Term, while_};
use crate::{
    host::Hosted,
    ordeal::{
        Faults,
        member::{Member, Surroundings},
    },
    settings::comes,
};

/// Something that happens to one of them.
#[derive(Clone, Copy, Debug)]
enum Strike {
    Killed,
    KilledBeforeInvalidation,
    Stopped,
    FillsHeld,
    ProbesHeld,
    InvalidationsHeld,
    InvalidationRepliesLost,
    FillRepliesLost,
    PushesDelayed,
    Cut,
    HalfOpen,
    CommitLost,
    CommitUnheard,
    SessionsCut,
    TableLocked,
    DatabaseRestarted,
}

impl Strike {
    /// Those that take longest stand once, others more often.
    const ALL: [Strike; 22] = [
        Strike::Killed,
        Strike::Killed,
        Strike::KilledBeforeInvalidation,
        Strike::KilledBeforeInvalidation,
        Strike::Stopped,
        Strike::Stopped,
        Strike::FillsHeld,
        Strike::FillsHeld,
        Strike::ProbesHeld,
        Strike::InvalidationsHeld,
        Strike::InvalidationRepliesLost,
        Strike::InvalidationRepliesLost,
        Strike::FillRepliesLost,
        Strike::PushesDelayed,
        Strike::PushesDelayed,
        Strike::Cut,
        Strike::HalfOpen,
        Strike::CommitLost,
        Strike::CommitUnheard,
        Strike::SessionsCut,
        Strike::TableLocked,
        Strike::DatabaseRestarted,
    ];

    fn name(self) -> &'static str {
        match self {
            Strike::Killed => "process killed (SIGKILL)",
            Strike::KilledBeforeInvalidation => "process killed between commit and invalidation",
            Strike::Stopped => "process stopped (SIGSTOP)",
            Strike::FillsHeld => "fills held on their way",
            Strike::ProbesHeld => "probes held on their way",
            Strike::InvalidationsHeld => "invalidations held on their way",
            Strike::InvalidationRepliesLost => "answers to invalidations lost",
            Strike::FillRepliesLost => "answers to fills lost",
            Strike::PushesDelayed => "pushes overtaken",
            Strike::Cut => "connections to Redis cut",
            Strike::HalfOpen => "connections to Redis half open",
            Strike::CommitLost => "COMMIT lost",
            Strike::CommitUnheard => "answer to COMMIT lost",
            Strike::SessionsCut => "connections to the database cut",
            Strike::TableLocked => "table locked by another program",
            Strike::DatabaseRestarted => "database killed and restarted",
        }
    }
}

/// What it is done to.
pub(in crate::ordeal) struct Members<'a, DB: Hosted> {
    pub(in crate::ordeal) members: &'a mut Vec<Member>,
    pub(in crate::ordeal) next: &'a mut u32,
    pub(in crate::ordeal) server: &'a mut DB::Server,
    pub(in crate::ordeal) pool: Pool<DB>,
    pub(in crate::ordeal) around: Surroundings<'a>,
}

impl<DB: Hosted> Members<'_, DB> {
    /// Strikes until it is time, and leaves every process running.
    pub(in crate::ordeal) async fn haunt(mut self, term: Term, mut rng: Rng) -> Faults {
        let mut faults = Faults::default();
        while term.goes_on(&mut rng).await {
            let strike = Strike::ALL[rng.usize(..Strike::ALL.len())];
            let at = rng.usize(..self.members.len());
            if self.strike(strike, at, &mut rng).await {
                faults.note(strike.name());
            }
        }
        faults
    }

    /// Whether it could be done.
    async fn strike(&mut self, strike: Strike, at: usize, rng: &mut Rng) -> bool {
        match strike {
            Strike::Killed => self.kill(at).await,
            Strike::KilledBeforeInvalidation => self.kill_before_invalidation(at).await,
            Strike::Stopped => {
                self.members[at].worker.signal(Signal::STOP);
                while_(rng, 2_500).await;
                self.members[at].worker.signal(Signal::CONT);
                true
            }
            Strike::FillsHeld => self.rule(at, rng, |proxy| proxy.hold(is_fill)).await,
            Strike::ProbesHeld => self.rule(at, rng, |proxy| proxy.hold(is_probe)).await,
            Strike::InvalidationsHeld => {
                self.rule(at, rng, |proxy| proxy.hold(named("UNLINK"))).await
            }
            Strike::InvalidationRepliesLost => {
                self.rule(at, rng, |proxy| proxy.lose_replies(named("UNLINK"))).await
            }
            Strike::FillRepliesLost => {
                self.rule(at, rng, |proxy| proxy.lose_replies(is_fill)).await
            }
            Strike::PushesDelayed => {
                let delay = Duration::from_millis(rng.u64(5..300));
                self.rule(at, rng, |proxy| proxy.delay_pushes(delay)).await
            }
            Strike::HalfOpen => {
                let done = self.rule(at, rng, |proxy| proxy.hold(|_| true)).await;
                self.members[at].redis.iter().for_each(Proxy::cut);
                done
            }
            Strike::Cut => {
                self.members[at].redis.iter().for_each(Proxy::cut);
                self.members[at].redis.is_some()
            }
            Strike::CommitLost => self.cut_commit(at, Cut::BeforeServer).await,
            Strike::CommitUnheard => self.cut_commit(at, Cut::BeforeClient).await,
            Strike::SessionsCut => {
                let way = self.members[at].database.as_ref();
                way.inspect(|way| way.cut()).is_some()
            }
            Strike::TableLocked => self.lock_table(rng).await.is_ok(),
            Strike::DatabaseRestarted => DB::restart(self.server),
        }
    }

    /// Has another process in its place.
    async fn kill(&mut self, at: usize) -> bool {
        let next = Member::start::<DB>(&self.around, *self.next).await;
        *self.next += 1;
        let gone = std::mem::replace(&mut self.members[at], next);
        gone.worker.kill().await;
        true
    }

    /// What it has committed reaches nobody but by its outbox.
    async fn kill_before_invalidation(&mut self, at: usize) -> bool {
        let Some(proxy) = &self.members[at].redis else { return false };
        let held = proxy.hold(named("UNLINK"));
        let reached = comes(Duration::from_millis(500), async || held.waiting() > 0).await;
        self.kill(at).await;
        drop(held);
        reached
    }

    /// Bends a way to Redis for a while.
    async fn rule(&self, at: usize, rng: &mut Rng, bend: impl FnOnce(&Proxy) -> Rule) -> bool {
        let Some(proxy) = &self.members[at].redis else { return false };
        let rule = bend(proxy);
        while_(rng, 800).await;
        drop(rule);
        true
    }

    /// The next COMMIT of the process, if there is one soon.
    async fn cut_commit(&self, at: usize, cut: Cut) -> bool {
        let Some(way) = &self.members[at].database else { return false };
        way.cut_at(b"COMMIT", cut);
        comes(Duration::from_millis(500), async || !way.is_waiting()).await
    }

    async fn lock_table(&self, rng: &mut Rng) -> sqlx::Result<()> {
        let mut tx = self.pool.begin().await?;
        time::timeout(Duration::from_secs(2), DB::run(&mut tx, DB::LOCK.to_owned()))
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)??;
        while_(rng, 700).await;
        tx.rollback().await
    }
}

/// The script that replaces a lease by a value has the most to say.
fn is_fill(command: &Command) -> bool {
    command.script_args().is_some_and(|args| args >= 3)
}

fn is_probe(command: &Command) -> bool {
    command.is("SET") || command.is("GETEX")
}
