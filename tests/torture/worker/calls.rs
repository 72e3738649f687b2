//! Reader and writer loops that log every call.

use std::{error::Error, path::Path, time::Duration};

use cachekit_torture::{
    clock,
    database::Database,
    history::{self, Call, Event},
};
use fastrand::Rng;
use tokio::{task::JoinSet, time};

use crate::{args::Args, items::Loader, parent, subject::Subject};

/// Longest delay of a loader.
const DELAY_US: u64 = 20_000;

/// What every loop of this process shares.
#[derive(Clone)]
struct Run {
    process: u32,
    keys: u32,
    until: u64,
    /// The pause after each read.
    pace: Duration,
    /// The longest pause of a writer.
    pause_us: u64,
    subject: Subject,
    database: Database,
}

/// Runs the loops and writes their history.
pub(crate) async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let process = args.get("process")?;
    let subject = Subject::new(args).await?;
    let database = Database::open(Path::new(args.text("database")?)).await?;
    let mut seeds = Rng::with_seed(args.get::<u64>("seed")?.wrapping_add(process));
    parent::ready().await?;
    let until = clock::now() + args.get::<u64>("seconds")? * 1_000_000_000;
    let keys = args.get("keys")?;
    let pace = Duration::from_micros(args.get("pace_us")?);
    let (process, pause_us) = (u32::try_from(process)?, args.get("pause_us")?);
    let run = Run { process, keys, until, pace, pause_us, subject, database };
    let mut loops = JoinSet::new();
    for _ in 0..args.get("readers")? {
        loops.spawn(run.clone().reads(seeds.fork()));
    }
    for _ in 0..args.get("writers")? {
        loops.spawn(run.clone().writes(seeds.fork()));
    }
    let history = loops.join_all().await.concat();
    history::write(Path::new(args.text("history")?), &history)?;
    // Writers that left go on until their transaction is over and their second invalidation is due.
    run.subject.finish().await?;
    Ok(())
}

impl Run {
    async fn reads(self, mut rng: Rng) -> Vec<Event> {
        let mut history = Vec::new();
        while clock::now() < self.until {
            let key = rng.u32(..self.keys);
            let loader = self.loader(&mut rng);
            let limit = leaves(&mut rng);
            let invoked = clock::now();
            let read = within(limit, self.subject.read(&loader, key)).await;
            let call = match read {
                Some((version, source)) => Call::Read { version, source },
                None => Call::LostRead,
            };
            history.push(self.event(key, invoked, call));
            if !self.pace.is_zero() {
                time::sleep(self.pace).await;
            }
        }
        history
    }

    async fn writes(self, mut rng: Rng) -> Vec<Event> {
        let mut history = Vec::new();
        while clock::now() < self.until {
            time::sleep(Duration::from_micros(rng.u64(..self.pause_us))).await;
            let key = rng.u32(..self.keys);
            let limit = leaves(&mut rng).map(|limit| limit / 10);
            let invoked = clock::now();
            let write = self.subject.write(&self.database, key, limit.is_some());
            let call = match within(limit, write).await {
                Some((version, applied)) => Call::Write { version, applied },
                None => Call::LostWrite,
            };
            history.push(self.event(key, invoked, call));
        }
        history
    }

    fn loader(&self, rng: &mut Rng) -> Loader<'_> {
        let delay = rng.u64(..=DELAY_US);
        let before = rng.u64(..=delay);
        Loader {
            database: &self.database,
            before: Duration::from_micros(before),
            after: Duration::from_micros(delay - before),
        }
    }

    fn event(&self, key: u32, invoked: u64, call: Call) -> Event {
        Event { process: self.process, key, invoked, returned: clock::now(), call }
    }
}

/// When this caller leaves, if it does.
fn leaves(rng: &mut Rng) -> Option<Duration> {
    (rng.u8(..8) == 0).then(|| Duration::from_micros(rng.u64(..DELAY_US)))
}

/// The call's result, unless it failed or the caller left.
async fn within<T, E>(
    limit: Option<Duration>,
    call: impl Future<Output = Result<T, E>>,
) -> Option<T> {
    match limit {
        Some(limit) => time::timeout(limit, call).await.ok()?.ok(),
        None => call.await.ok(),
    }
}
