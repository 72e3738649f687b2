//! The servers of a run, and its processes.

use cachekit_test_support::{RedisServer, ShiftedClock};
use sqlx::Pool;
use tempfile::TempDir;

use super::{
    faults::Faults,
    member::{Member, Surroundings},
    setup::Setup,
};
use crate::{host::Hosted, rows};

/// Everything there is.
pub(super) struct World<DB: Hosted> {
    pub(super) dir: TempDir,
    pub(super) clock: ShiftedClock,
    pub(super) redis: RedisServer,
    pub(super) server: DB::Server,
    /// The parent's own way to the database.
    pub(super) pool: Pool<DB>,
    pub(super) members: Vec<Member>,
    /// The number of the next process.
    pub(super) next: u32,
    pub(super) faults: Faults,
    pub(super) mishaps: Faults,
}

impl<DB: Hosted> World<DB> {
    pub(super) async fn start(setup: &Setup) -> World<DB> {
        let clock = ShiftedClock::new();
        let debug = ["--enable-debug-command", "yes"];
        let redis = RedisServer::start_with(&debug, &clock.env());
        let server = DB::host();
        let pool = DB::open(&DB::url(&server)).await.expect("a database");
        rows::create(&pool, setup.keys).await.expect("the tables");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (faults, mishaps) = (Faults::default(), Faults::default());
        let mut world = World {
            dir,
            clock,
            redis,
            server,
            pool,
            members: Vec::new(),
            next: 0,
            faults,
            mishaps,
        };
        for process in 0..setup.processes {
            let around = Surroundings::of::<DB>(setup, &world.dir, &world.redis, &world.server);
            world.members.push(Member::start::<DB>(&around, process).await);
        }
        world.next = setup.processes;
        world
    }
}
