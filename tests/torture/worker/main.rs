//! One process of the torture tests: it calls, and reports to its parent.
#![forbid(unsafe_code)]

use std::error::Error;

use sqlx::{MySql, Postgres, Sqlite};

mod args;
mod behind;
mod calls;
mod consumer;
mod crash;
mod items;
mod locks;
mod naive;
mod ordeal;
mod parent;
mod refresh;
mod report;
mod stampede;
mod subject;

use args::Args;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::from_command_line()?;
    match args.text("role")? {
        "calls" => calls::run(&args).await,
        "refresh" => refresh::run(&args).await,
        "report" => report::run(&args).await,
        "stampede" => stampede::run(&args).await,
        "behind" => behind::run(&args).await,
        "counter" => locks::count(&args).await,
        "several" => locks::several(&args).await,
        "consumer" => consumer::run(&args).await,
        "ordeal" => match args.text("kind")? {
            "postgres" => ordeal::run::<Postgres>(&args).await,
            "mariadb" => ordeal::run::<MySql>(&args).await,
            "sqlite" => ordeal::run::<Sqlite>(&args).await,
            other => Err(format!("no such database: {other}").into()),
        },
        "crash" => match args.text("kind")? {
            "postgres" => crash::run::<Postgres>(&args).await,
            "mariadb" => crash::run::<MySql>(&args).await,
            "sqlite" => crash::run::<Sqlite>(&args).await,
            other => Err(format!("no such database: {other}").into()),
        },
        other => Err(format!("no such role: {other}").into()),
    }
}
