//! Readers of one hot key that is refreshed ahead of its end.

use std::{
    collections::BTreeMap,
    error::Error,
    time::{Duration, Instant},
};

use cachekit::{Status, cached, with_status};
use cachekit_torture::clock;
use tokio::time;

use crate::{args::Args, parent, subject};

/// What a load is like.
#[derive(Clone, Copy, Debug)]
struct Hot {
    ttl: Duration,
    load: Duration,
}

#[cached(key = "hot:<name>", ttl = hot.ttl, refresh_ahead = "40%")]
async fn hot(hot: Hot, name: &str) -> u64 {
    // The parent has gone away: so will this process.
    let _ = parent::tell(format_args!("load {}", clock::now()));
    time::sleep(hot.load).await;
    clock::now()
}

/// Reads for as long as it is told, and tells how the reads were answered and which was the slowest.
pub(crate) async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let cache = subject::install(args.text("redis")?).await?;
    let about = Hot {
        ttl: Duration::from_millis(args.get("ttl_ms")?),
        load: Duration::from_millis(args.get("load_ms")?),
    };
    parent::ready().await?;
    while with_status(hot(about, "one")).await.1 == Status::Bypassed {
        time::sleep(Duration::from_millis(1)).await;
    }
    parent::tell("warm")?;
    let until = Instant::now() + Duration::from_secs(args.get("seconds")?);
    let readers = (0..args.get("readers")?).map(|_| tokio::spawn(read(about, until)));
    let mut all = Told::default();
    for reader in readers.collect::<Vec<_>>() {
        all.add(reader.await?);
    }
    for (status, reads) in &all.reads {
        parent::tell(format_args!("reads {status} {reads}"))?;
    }
    parent::tell(format_args!("slowest {}", all.slowest.as_micros()))?;
    cache.shutdown().await?;
    Ok(())
}

#[derive(Default)]
struct Told {
    reads: BTreeMap<&'static str, u64>,
    slowest: Duration,
}

impl Told {
    fn add(&mut self, other: Told) {
        for (status, reads) in other.reads {
            *self.reads.entry(status).or_default() += reads;
        }
        self.slowest = self.slowest.max(other.slowest);
    }
}

async fn read(about: Hot, until: Instant) -> Told {
    let mut told = Told::default();
    loop {
        let begun = Instant::now();
        if begun >= until {
            return told;
        }
        let (_, status) = with_status(hot(about, "one")).await;
        told.slowest = told.slowest.max(begun.elapsed());
        *told.reads.entry(status.as_str()).or_default() += 1;
        time::sleep(Duration::from_millis(20)).await;
    }
}
