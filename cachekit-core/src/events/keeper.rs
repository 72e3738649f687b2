//! The task that keeps what is in hand, takes over what others left, and looks at the lag.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::lanes::Lanes;
use super::patience::Stop;
use super::work::Worker;

/// Messages named in one command.
const BATCH: usize = 256;

/// How often the lag is measured at most.
const LAG_EVERY: Duration = Duration::from_secs(5);

/// Runs until it is dropped: while a consumer finishes, what it has in hand is still its own.
pub(super) async fn run(worker: Arc<Worker>, lanes: Lanes, stop: Stop) {
    let mut tick = interval(worker.claim_idle / 3);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut measured: Option<Instant> = None;
    loop {
        tick.tick().await;
        keep(&worker).await;
        if !stop.is_asked() {
            take_over(&worker, &lanes).await;
        }
        if measured.is_none_or(|at| at.elapsed() >= LAG_EVERY) {
            measured = Some(Instant::now());
            if let Ok(lag) = worker.lag().await {
                worker.watch.measured(&lag);
            }
        }
    }
}

/// An error is no harm yet: two more ticks come before anybody may take them over.
async fn keep(worker: &Worker) {
    let ours = worker.in_hand.ours(worker.claim_idle);
    for ids in ours.chunks(BATCH) {
        let claimed = Instant::now();
        if worker.group.keep(ids).await.is_ok() {
            worker.in_hand.kept(ids, claimed);
        }
    }
}

/// Takes over what nobody has kept, as far as there is room.
async fn take_over(worker: &Worker, lanes: &Lanes) {
    let mut cursor = "0-0".to_owned();
    loop {
        let room = lanes.spare_room();
        if room.len() == 0 {
            return;
        }
        let claimed = worker.group.claim(&cursor, worker.claim_idle, room.len()).await;
        let Ok((next, entries)) = claimed else { return };
        worker.watch.took_over(entries.len());
        lanes.hand_in(worker, entries, room, true);
        if next == "0-0" {
            return;
        }
        cursor = next;
    }
}
