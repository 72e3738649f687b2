//! Writers waiting for their invalidations.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::{
    cache::{Context, Outcome},
    engine::Engine,
    key::Key,
    store::Store,
    sync,
};

/// Invalidations that were handed in. They take their course whether or not this is kept.
#[derive(Debug)]
pub(crate) struct Writers {
    engine: Arc<Engine>,
    keys: Vec<(Key, Progress)>,
}

#[derive(Debug)]
enum Progress {
    Through,
    Waiting(oneshot::Receiver<()>),
    /// The queue had no room.
    Refused,
}

impl Writers {
    /// Invalidates the keys in this process and hands them to the queue. From now on no read in
    /// this process is given, or joins, what was there before.
    pub(crate) fn submit(engine: &Arc<Engine>, keys: impl IntoIterator<Item = Key>) -> Self {
        let collector = Context::with(|context| context.and_then(|c| c.collector.clone()));
        let keys = keys
            .into_iter()
            .map(|key| {
                if let Some(collector) = &collector {
                    collector.add(&key);
                }
                let progress = submit(engine, &key);
                (key, progress)
            })
            .collect();
        Self { engine: engine.clone(), keys }
    }

    /// Waits for the store's acknowledgements, up to `invalidate_wait` for all of them.
    pub(crate) async fn outcomes(self) -> Vec<(Key, Outcome)> {
        let Self { engine, mut keys } = self;
        let all = async {
            for (_, progress) in &mut keys {
                if let Progress::Waiting(through) = progress {
                    let sent = through.await.is_ok();
                    *progress = if sent { Progress::Through } else { Progress::Refused };
                }
            }
        };
        // What was not through in time is seen from the progress of each key.
        let _in_time = sync::within(engine.limits.invalidate_wait, all).await;
        keys.into_iter()
            .map(|(key, progress)| {
                let outcome = outcome(progress);
                engine.reporter.invalidation(key.template(), outcome);
                (key, outcome)
            })
            .collect()
    }
}

fn submit(engine: &Arc<Engine>, key: &Key) -> Progress {
    if matches!(engine.store, Store::Embedded) {
        engine.invalidate_locally(key, 0);
        return Progress::Through;
    }
    engine.invalidate_locally(key, 1);
    engine.queue.push(engine, key).map_or(Progress::Refused, Progress::Waiting)
}

fn outcome(progress: Progress) -> Outcome {
    match progress {
        Progress::Through => Outcome::Applied,
        Progress::Waiting(mut through) => match through.try_recv() {
            Ok(()) => Outcome::Applied,
            Err(_) => Outcome::Pending,
        },
        Progress::Refused => Outcome::Pending,
    }
}
