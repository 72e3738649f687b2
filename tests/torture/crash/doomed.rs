//! Processes that are brought to a point and killed there.

use std::{fmt, time::Duration};

use cachekit_test_support::{Command, Cut, Proxy, Rule, TcpProxy, named};
use cachekit_torture::service::NAMESPACE;

use super::{
    host::Hosted,
    world::{COMMON, SHARE, World},
};
use crate::{fleet::Worker, settings::comes};

const PATIENCE: Duration = Duration::from_secs(20);

/// Where a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Point {
    /// The outbox row is written, and COMMIT is not carried out.
    BeforeCommit,
    /// The database has committed, and the process does not know. Not where both are one process.
    CommitUnheard,
    /// It knows, and Redis has heard of no key.
    BeforeInvalidation,
    /// Redis has heard of the first key only.
    BetweenKeys,
    /// Redis has heard of all, and the row is not marked as done.
    BeforeMark,
    /// A relay holds the row, and Redis has heard of no key.
    RelayHolds,
    /// A relay holds the row, and Redis has heard of all keys.
    RelayApplied,
}

impl Point {
    /// In the order in which they are reached: in SQLite nobody else can write once the last one is.
    pub(super) const ALL: [Point; 7] = [
        Point::BeforeInvalidation,
        Point::BetweenKeys,
        Point::BeforeMark,
        Point::CommitUnheard,
        Point::RelayHolds,
        Point::RelayApplied,
        Point::BeforeCommit,
    ];

    pub(super) fn is_of_relay(self) -> bool {
        matches!(self, Point::RelayHolds | Point::RelayApplied)
    }

    /// What it leaves in Redis is stale.
    pub(super) fn leaves_stale(self) -> bool {
        !matches!(self, Point::BeforeCommit | Point::BeforeMark | Point::RelayApplied)
    }
}

/// A process with proxies of its own.
pub(super) struct Doomed {
    pub(super) point: Point,
    /// Of its transaction.
    pub(super) tx: i64,
    pub(super) items: Vec<u32>,
    worker: Worker,
    redis: Proxy,
    database: Option<TcpProxy>,
    rule: Option<Rule>,
    /// What it was sending arrives after its death.
    is_late: bool,
}

impl fmt::Display for Doomed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "transaction {} of items {:?}, {:?}", self.tx, self.items, self.point)
    }
}

impl Doomed {
    pub(super) async fn start<DB: Hosted>(
        world: &World<DB>,
        point: Point,
        tx: i64,
        slot: u32,
        is_late: bool,
    ) -> Doomed {
        let first = COMMON + slot * SHARE;
        let items: Vec<_> = (first..first + SHARE).collect();
        let redis = Proxy::start(world.redis.port());
        let (database, url) = world.way();
        let hold_commit = point == Point::BeforeCommit && database.is_none();
        let task = if point.is_of_relay() { "relay" } else { "write" };
        let list: Vec<_> = items.iter().map(u32::to_string).collect();
        let mut args = world.args(task, &redis.url(), &url);
        args.extend([
            ("items", list.join(",")),
            ("tx", tx.to_string()),
            ("hold_commit", hold_commit.to_string()),
        ]);
        let worker = Worker::start(&args).await;
        Doomed { point, tx, items, worker, redis, database, rule: None, is_late }
    }

    /// Brings it to its point.
    pub(super) async fn bring<DB: Hosted>(&mut self, world: &mut World<DB>) {
        self.plan();
        self.worker.go().await;
        if self.point == Point::BeforeCommit && self.database.is_none() {
            assert_eq!(self.worker.line(PATIENCE).await.as_deref(), Some("held"), "{self}");
        } else if self.point.is_of_relay() {
            self.claim(world).await;
        } else {
            assert!(comes(PATIENCE, async || self.is_there()).await, "it never got there: {self}");
        }
    }

    fn plan(&mut self) {
        let second = format!("ck:{NAMESPACE}:item:{}", self.items[1]).into_bytes();
        let of_second = move |command: &Command| command.is("UNLINK") && command.args[1] == second;
        match self.point {
            Point::BeforeCommit => self.stall(Cut::StallBeforeServer),
            Point::CommitUnheard => self.stall(Cut::StallBeforeClient),
            Point::BeforeInvalidation | Point::RelayHolds => {
                self.rule = Some(self.redis.hold(named("UNLINK")));
            }
            Point::BetweenKeys => self.rule = Some(self.redis.hold(of_second)),
            Point::BeforeMark | Point::RelayApplied => {
                self.rule = Some(self.redis.hold_replies(named("UNLINK")));
            }
        }
    }

    fn stall(&self, cut: Cut) {
        if let Some(database) = &self.database {
            database.cut_at(b"COMMIT", cut);
        }
    }

    fn is_there(&self) -> bool {
        match (&self.rule, &self.database) {
            (Some(rule), _) => rule.waiting() > 0,
            (None, Some(database)) => database.stalled() > 0,
            (None, None) => false,
        }
    }

    /// Leaves rows until this relay has one: the survivors' may be quicker now and then.
    async fn claim<DB: Hosted>(&mut self, world: &mut World<DB>) {
        for attempt in 0..50 {
            world.leave_row(self.tx + attempt, &self.items).await;
            if comes(Duration::from_millis(400), async || self.is_there()).await {
                return;
            }
        }
        panic!("its relay never got a row: {self}");
    }

    /// Kills it with SIGKILL. What it gives back is to be kept until the survivors have settled.
    pub(super) async fn kill(self) -> Proxy {
        self.worker.kill().await;
        if !self.is_late {
            self.redis.cut();
        }
        // Held commands go on, where there still is a connection.
        drop(self.rule);
        self.redis
    }
}
