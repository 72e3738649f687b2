//! Processes that are killed: one in the midst of a transaction's end, one in the midst of a relay's work.

use std::{error::Error, future, sync::Arc, thread, time::Duration};

use cachekit_torture::{rows::Rows, service::Service};

use crate::{args::Args, parent};

/// How long it waits for a reply of Redis: until it is killed.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Reads and writes its items once, and once more when the parent says so; reads them meanwhile.
pub(super) async fn write<DB: Rows>(
    service: Service<DB>,
    args: &Args,
) -> Result<(), Box<dyn Error>> {
    let items = args.text("items")?.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    let tx = args.get::<i64>("tx")?;
    for id in &items {
        service.read(*id).await?;
    }
    let _pending_or_not = service.write(-tx, &items).await?;
    let hook = args.get::<bool>("hold_commit")?.then_some(hold as fn());
    parent::ready().await?;
    let service = Arc::new(service);
    let _reads = tokio::spawn(reads(service.clone(), items.clone()));
    let _pending_or_not = service.write_held(tx, &items, hook).await?;
    parent::tell("returned")?;
    future::pending().await
}

async fn reads<DB: Rows>(service: Arc<Service<DB>>, items: Vec<u32>) {
    for id in items.iter().cycle() {
        let _value = service.read(*id).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Tells the parent of the moment, and never leaves it.
fn hold() {
    let _told = parent::tell("held");
    loop {
        thread::park();
    }
}

/// Starts a relay that looks for rows more often than others do.
pub(super) async fn relay<DB: Rows>(service: Service<DB>) -> Result<(), Box<dyn Error>> {
    parent::ready().await?;
    let _relay = service.relay().poll_interval(Duration::from_millis(5)).start();
    future::pending().await
}
