//! Readers of many rows at once.

use super::{
    database::{Database, Found, Unlucky},
    reader::POLICY,
    scenario::Scenario,
    server::{dawdle_or_more, percent, pick},
    world::World,
};
use crate::cache::{Cache, refresh};

/// Reads several rows a few times, in an order of its own, each time with another resolve.
pub(super) async fn batch_reader(world: World, scenario: Scenario) {
    for _ in 0..scenario.reads {
        dawdle_or_more(scenario.slow_replies).await;
        let process = world.some_process();
        let mut ids = world.ids().to_vec();
        fastrand::shuffle(&mut ids);
        ids.truncate(1 + pick(ids.len() as u32) as usize);
        // One that nobody else reads, so that there is something to lead.
        ids.push(100 + u64::from(pick(1000)));
        let reading = read(&world, process, &ids);
        if percent() < scenario.fickle {
            let _ended = super::reader::fickle(reading).await;
        } else {
            reading.await;
        }
    }
}

/// Reads once and checks what it got of each row.
async fn read(world: &World, process: usize, ids: &[u64]) {
    let floor = world.db.floor(process);
    let cache = &world.caches[process];
    let found = if percent() < 10 {
        refresh(found(cache, world, ids)).await
    } else {
        found(cache, world, ids).await
    };
    for (id, version) in found.unwrap_or_default() {
        let Some(version) = version else {
            world.db.complain(format!("row {id} was not there"));
            continue;
        };
        if world.ids().contains(&id) {
            world.db.check(floor, Found::Version(version));
        }
    }
}

async fn found(
    cache: &Cache,
    world: &World,
    ids: &[u64],
) -> Result<Vec<(u64, Option<u64>)>, Unlucky> {
    let load = async |missing: Vec<u64>| load(&world.db, missing).await;
    cache.get_many(ids.to_vec(), |id| World::key_of(*id), &POLICY, load).await
}

/// One statement reads all rows at one moment.
async fn load(db: &Database, missing: Vec<u64>) -> Result<Vec<(u64, u64)>, Unlucky> {
    let version = db.load().await?;
    Ok(missing.into_iter().map(|id| (id, version)).collect())
}
