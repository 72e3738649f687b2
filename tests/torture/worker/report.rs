//! Runs every mode and the textbook's ways one after the other, and writes what came of them.

use std::{error::Error, fs, time::Duration};

use cachekit_torture::{
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
    let (calm_ms, callers) = (args.get("calm_ms")?, args.get("callers")?);
    let calm = Duration::from_millis(calm_ms);
    let mut outcomes = Vec::new();
    for subject in [Subject::Lease, Subject::Local] {
        let setup = Setup { calm, callers, ..Setup::of(subject, seconds, seed) };
        outcomes.push(told(ordeal::run::<Postgres>(&setup).await));
        outcomes.push(told(ordeal::run::<MySql>(&setup).await));
        outcomes.push(told(ordeal::run::<Sqlite>(&setup).await));
    }
    for subject in Subject::NAIVE {
        outcomes.push(told(ordeal::run::<Postgres>(&Setup::of(subject, naive, seed)).await));
    }
    let command = format!(
        "cargo run --release -p cachekit-torture -- role=report seconds={seconds} naive_seconds={naive} \
         calm_ms={calm_ms} callers={callers} seed={seed} date=… out=…"
    );
    fs::write(args.text("out")?, markdown(&outcomes, &command, args.text("date")?))?;
    let broken = |outcome: &&Outcome| outcome.setup.subject.is_ours() && !outcome.is_right();
    match outcomes.iter().filter(broken).count() {
        0 => Ok(()),
        count => Err(format!("{count} runs of cachekit were not right").into()),
    }
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
