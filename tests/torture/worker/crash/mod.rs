//! A process of the crash matrix: one that is to be killed, or one that outlives the others.

mod doomed;
mod survivor;

use std::{error::Error, time::Duration};

use cachekit_torture::{
    rows::Rows,
    service::{Service, builder},
};

use crate::args::Args;

/// Does what `task` says.
pub(crate) async fn run<DB: Rows>(args: &Args) -> Result<(), Box<dyn Error>> {
    match args.text("task")? {
        "write" => doomed::write(service::<DB>(args, doomed::PATIENCE).await?, args).await,
        "relay" => doomed::relay(service::<DB>(args, doomed::PATIENCE).await?).await,
        "survive" => {
            survivor::run(service::<DB>(args, Duration::from_millis(500)).await?, args).await
        }
        other => Err(format!("no such task: {other}").into()),
    }
}

async fn service<DB: Rows>(args: &Args, response: Duration) -> Result<Service<DB>, Box<dyn Error>> {
    let cache = builder(args.text("redis")?, response).await?.build()?;
    let pool = DB::open(args.text("database")?).await?;
    Ok(Service { cache, pool })
}
