//! Those who read, write and meddle in a schedule.

use std::time::Duration;

use super::{
    database::Database,
    reader::{self, Manner},
    scenario::Scenario,
    server::{dawdle, dawdle_or_more, percent, pick, yields},
    world::World,
};
use crate::{
    __private::{Site, WriteRules, write},
    cache::{Outcome, with_receipt},
    key::Key,
    sync,
};

/// Reads a few times, each time in another manner and with another resolve.
pub(super) async fn reader(world: World, scenario: Scenario) {
    for _ in 0..scenario.reads {
        dawdle_or_more(scenario.slow_replies).await;
        let process = world.some_process();
        let manner = scenario.manners[pick(scenario.manners.len() as u32) as usize];
        let reading = reader::read(&world, process, manner);
        if percent() < scenario.fickle {
            let _ended = reader::fickle(reading).await;
        } else {
            reading.await;
        }
    }
}

/// Holds one read unpolled while it makes another.
pub(super) async fn hoarder(world: World) {
    dawdle().await;
    let process = world.some_process();
    reader::hoard(&world, process, Manner::Plain).await;
}

/// Writes through a cache.
pub(super) async fn writer(world: World, scenario: Scenario) {
    for _ in 0..2 {
        dawdle_or_more(scenario.slow_replies).await;
        let process = world.some_process();
        let cache = &world.caches[process];
        if percent() < 50 {
            let version = world.db.commit();
            dawdle().await;
            let outcomes = cache.invalidate_many(world.stale_keys()).await;
            let applied = outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Applied);
            world.db.returned(version, applied, Some(process));
        } else {
            let writing = attributed(&world, process);
            if percent() < scenario.fickle {
                let _ended = reader::fickle(writing).await;
            } else {
                writing.await;
            }
        }
    }
}

async fn attributed(world: &World, process: usize) {
    static SITE: Site = Site::write("attributed", file!(), line!());
    let again_after = (percent() < 20).then_some(Duration::from_millis(1));
    let rules = WriteRules { failed: None, again_after };
    let (cache, keys) = (Some(&world.caches[process]), world.stale_keys());
    let body = || commit(&world.db);
    let writing = write(&SITE, cache, keys, rules, |_, _| (), body);
    let (version, receipt) = with_receipt(writing).await;
    world.db.returned(version, receipt.outcome() == Outcome::Applied, Some(process));
}

async fn commit(db: &Database) -> u64 {
    dawdle().await;
    let version = db.commit();
    dawdle().await;
    version
}

/// Writes from where no cache of ours is told of it, with an UNLINK.
pub(super) async fn foreign_writer(world: World, scenario: Scenario) {
    for _ in 0..2 {
        dawdle_or_more(scenario.slow_replies).await;
        let version = commit(&world.db).await;
        if scenario.slow_writers {
            yields(pick(80)).await;
        }
        if let Some(server) = &world.server {
            let tag = world.tag.as_ref().map(|tag| vec![tag.to_tag()]);
            for key in tag.unwrap_or_else(|| world.keys()) {
                server.with_keys(|keys| keys.unlink(key.as_str()));
            }
        }
        world.db.returned(version, true, None);
    }
}

/// Lets leases run out, and evicts.
pub(super) async fn reaper(world: World) {
    let Some(server) = &world.server else { return };
    for _ in 0..6 {
        dawdle().await;
        let key = world.key.as_str();
        let generation = world.tag.as_ref().map(Key::to_tag);
        server.with_keys(|keys| match (pick(4), generation) {
            (0, _) => keys.unlink(key),
            (1, Some(generation)) => keys.unlink(generation.as_str()),
            _ => keys.expire(key, None),
        });
    }
}

/// Puts something under the key that is not ours.
pub(super) async fn vandal(world: World) {
    dawdle().await;
    if let Some(server) = &world.server {
        server.with_keys(|keys| keys.vandalise(world.key.as_str()));
    }
}

/// Ends the runtime that background work is on.
pub(super) async fn runtime_end() {
    dawdle().await;
    sync::end_background();
}

/// Lets what is in the in-process tier run out.
pub(super) async fn time(world: World) {
    for _ in 0..2 {
        dawdle().await;
        world.clock.advance(Duration::from_secs(40));
    }
}

/// Asks for keys that overflow the queue of a cache.
pub(super) async fn bystander(world: World) {
    let cache = &world.caches[world.some_process()];
    for _ in 0..3 {
        dawdle().await;
        cache.invalidate(world.other_key()).await;
    }
}

impl World {
    pub(super) fn some_process(&self) -> usize {
        pick(self.caches.len() as u32) as usize
    }
}
