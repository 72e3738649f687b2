//! One process of the torture test: it calls, and reports to its parent.
#![forbid(unsafe_code)]

use std::error::Error;

mod args;
mod calls;
mod items;
mod parent;
mod stampede;
mod subject;

use args::Args;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::from_command_line()?;
    match args.text("role")? {
        "calls" => calls::run(&args).await,
        "stampede" => stampede::run(&args).await,
        other => Err(format!("no such role: {other}").into()),
    }
}
