//! Runs every mode on every database and the textbook's ways, and writes what came of them.

use std::{error::Error, fs, time::Duration};

use cachekit_torture::{
    host::Hosted,
    ordeal::{self, Outcome, Setup, Subject},
    report::markdown,
    settings::tell,
};
use sqlx::{MySql, Postgres, Sqlite};

use crate::args::Args;

/// Writes the file `out`; fails if this library did.
pub(crate) async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let (seconds, naive, seed) =
        (args.get("seconds")?, args.get("naive_seconds")?, args.get("seed")?);
    let (calm_ms, callers, keys) = (args.get("calm_ms")?, args.get("callers")?, args.get("keys")?);
    let writes = args.get("writes")?;
    let calm = Duration::from_millis(calm_ms);
    let setup = |subject, seconds| Setup {
        calm,
        callers,
        keys,
        writes,
        ..Setup::of(subject, seconds, seed)
    };
    let modes = [Subject::Lease, Subject::Local].map(|subject| setup(subject, seconds));
    // All at once: each of them waits most of the time.
    let runs =
        tokio::join!(both::<Postgres>(&modes), both::<MySql>(&modes), both::<Sqlite>(&modes));
    let (lease, local): (Vec<_>, Vec<_>) = [runs.0, runs.1, runs.2].into_iter().unzip();
    let mut outcomes = [lease, local].concat();
    for subject in Subject::NAIVE {
        outcomes.push(told(ordeal::run::<Postgres>(&setup(subject, naive)).await));
    }
    let command = format!(
        "cargo run --release -p cachekit-torture -- role=report seconds={seconds} naive_seconds={naive} \
         calm_ms={calm_ms} callers={callers} keys={keys} writes={writes} seed={seed} date=… out=…"
    );
    fs::write(args.text("out")?, markdown(&outcomes, &command, args.text("date")?))?;
    let broken = |outcome: &&Outcome| outcome.setup.subject.is_ours() && !outcome.is_right();
    match outcomes.iter().filter(broken).count() {
        0 => Ok(()),
        count => Err(format!("{count} runs of cachekit were not right").into()),
    }
}

async fn both<DB: Hosted>([lease, local]: &[Setup; 2]) -> (Outcome, Outcome) {
    let (lease, local) = tokio::join!(ordeal::run::<DB>(lease), ordeal::run::<DB>(local));
    (told(lease), told(local))
}

/// The run without its calls, of which there are millions.
fn told(mut outcome: Outcome) -> Outcome {
    match outcome.setup.subject.is_ours() && !outcome.is_right() {
        true => tell(outcome.explain()),
        false => tell(outcome.brief()),
    }
    outcome.history = Vec::new();
    outcome
}
