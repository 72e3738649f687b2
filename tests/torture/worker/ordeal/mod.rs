//! One process of an ordeal: callers that read and write until the parent lets them rest.

mod caller;
mod loader;
mod subject;

use std::{
    error::Error,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use cachekit_torture::{ordeal::Subject as Kind, rows::Rows};
use fastrand::Rng;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines, Stdin},
    task::JoinSet,
};

use crate::{args::Args, parent};
pub(crate) use subject::Failed;

use caller::Caller;
use loader::{Loader, Mishaps};
use subject::Subject;

/// What all callers of this process share.
pub(crate) struct Process<DB: Rows> {
    number: u32,
    subject: Subject<DB>,
    loader: Loader<DB>,
    mishaps: Arc<Mishaps>,
    journal: PathBuf,
    /// The sums of the keys' weights, up to one.
    keys: Vec<f64>,
    writes: u8,
    resting: AtomicBool,
}

/// Calls, rests, looks at everything once, ends: each on a word of the parent.
pub(crate) async fn run<DB: Rows>(args: &Args) -> Result<(), Box<dyn Error>> {
    let process = Arc::new(Process::<DB>::of(args).await?);
    let relay = match args.get("relay")? {
        true => process.subject.relay(),
        false => None,
    };
    let mut seeds = Rng::with_seed(args.get("seed")?);
    parent::ready().await?;
    let mut words = BufReader::new(tokio::io::stdin()).lines();
    let mut callers = JoinSet::new();
    for _ in 0..args.get("callers")? {
        callers.spawn(Caller::of(process.clone(), seeds.fork())?.call());
    }
    hear(&mut words, "rest").await?;
    process.resting.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    parent::tell(format_args!("rests {}", process.mishaps))?;
    loop {
        match words.next_line().await?.as_deref() {
            Some("look") => Caller::of(process.clone(), seeds.fork())?.look().await?,
            Some("end") => break,
            heard => {
                return Err(format!("expected `look` or `end`, the parent said {heard:?}").into());
            }
        }
        parent::tell("looked")?;
    }
    if let Some(relay) = relay {
        relay.shutdown().await?;
    }
    process.subject.end().await?;
    Ok(())
}

impl<DB: Rows> Process<DB> {
    async fn of(args: &Args) -> Result<Process<DB>, Box<dyn Error>> {
        let kind = args.get::<Kind>("subject")?;
        let mishaps = Arc::new(Mishaps::new(args.get("mishaps")?));
        let pool = DB::open(args.text("database")?).await?;
        let subject = Subject::open(kind, args, pool.clone()).await?;
        Ok(Process {
            number: args.get("process")?,
            subject,
            loader: Loader { pool, mishaps: mishaps.clone() },
            mishaps,
            journal: PathBuf::from(args.text("history")?),
            keys: weights(args.get("keys")?),
            writes: args.get("writes")?,
            resting: AtomicBool::new(false),
        })
    }

    /// Some keys are called far more often than others (Zipf).
    fn key(&self, rng: &mut Rng) -> u32 {
        let at = rng.f64() * self.keys.last().copied().unwrap_or_default();
        let key = self.keys.partition_point(|sum| *sum < at).min(self.keys.len() - 1);
        u32::try_from(key).expect("few keys")
    }
}

fn weights(keys: u32) -> Vec<f64> {
    let mut sum = 0.0;
    let weight = |rank: u32| {
        sum += 1.0 / f64::from(rank).powf(0.99);
        sum
    };
    (1..=keys).map(weight).collect()
}

async fn hear(words: &mut Lines<BufReader<Stdin>>, word: &str) -> Result<(), Box<dyn Error>> {
    match words.next_line().await? {
        Some(heard) if heard == word => Ok(()),
        heard => Err(format!("expected `{word}`, the parent said {heard:?}").into()),
    }
}
