//! A thousand callers on one cold key.

use std::{error::Error, sync::Arc, time::Duration};

use cachekit::{Status, cached, with_status};
use cachekit_torture::clock;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time,
};

use crate::{args::Args, parent, subject};

/// What a load tells, and to whom: which caller runs it.
#[derive(Clone, Debug)]
struct Slow {
    lasts: Duration,
    caller: usize,
    leaders: mpsc::UnboundedSender<usize>,
}

#[cached(key = "cold:<name>", ttl = "60s")]
async fn cold(slow: &Slow, name: &str) -> Result<u64, Arc<std::io::Error>> {
    parent::tell("load").map_err(Arc::new)?;
    // The receiver is gone once the first leader was aborted, or when none is to be.
    let _ = slow.leaders.send(slow.caller);
    time::sleep(slow.lasts).await;
    Ok(42)
}

#[cached(key = "warm:<process>", ttl = "60s")]
async fn warm(process: u32) -> u64 {
    u64::from(process)
}

/// Waits for the parent, lets all callers go at once, and tells what became of each.
pub(crate) async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let cache = subject::install(args.text("redis")?).await?;
    let (go, callers, leaders) = callers(args)?;
    connected(args.get("process")?).await;
    parent::ready().await?;
    go.send(true)?;
    if args.get("abort_leader")? {
        abort_leader(&callers, leaders, args).await?;
    }
    for caller in callers {
        match caller.await {
            Ok(line) => parent::tell(line)?,
            Err(gone) if gone.is_cancelled() => parent::tell("aborted")?,
            Err(panicked) => return Err(panicked.into()),
        }
    }
    cache.shutdown().await?;
    Ok(())
}

type Callers = (watch::Sender<bool>, Vec<JoinHandle<String>>, mpsc::UnboundedReceiver<usize>);

fn callers(args: &Args) -> Result<Callers, Box<dyn Error>> {
    let lasts = Duration::from_millis(args.get("load_ms")?);
    let (go, gone) = watch::channel(false);
    let (leaders, aborted) = mpsc::unbounded_channel();
    let spawn = |caller| {
        let slow = Slow { lasts, caller, leaders: leaders.clone() };
        tokio::spawn(call(slow, gone.clone()))
    };
    let callers = (0..args.get("callers")?).map(spawn).collect();
    Ok((go, callers, aborted))
}

async fn call(slow: Slow, mut gone: watch::Receiver<bool>) -> String {
    // An error means that the process ends.
    let _ = gone.wait_for(|gone| *gone).await;
    let invoked = clock::now();
    let (value, status) = with_status(cold(&slow, "one")).await;
    let returned = clock::now();
    match value {
        Ok(42) => format!("served {invoked} {returned} {status}"),
        Ok(value) => format!("wrong {value}"),
        Err(error) => format!("failed {error}"),
    }
}

/// Ends the first leader of this process half-way through its load.
async fn abort_leader(
    callers: &[JoinHandle<String>],
    mut leaders: mpsc::UnboundedReceiver<usize>,
    args: &Args,
) -> Result<(), Box<dyn Error>> {
    let everybody_served = async {
        while !callers.iter().all(JoinHandle::is_finished) {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        Some(leader) = leaders.recv() => {
            time::sleep(Duration::from_millis(args.get::<u64>("load_ms")? / 2)).await;
            callers[leader].abort();
        }
        () = everybody_served => {}
    }
    Ok(())
}

/// Waits until the link to Redis is up: a read that finds it down goes past the cache.
async fn connected(process: u32) {
    while with_status(warm(process)).await.1 == Status::Bypassed {
        tokio::task::yield_now().await;
    }
}
