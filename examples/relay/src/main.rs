//! The relay of the outbox as a process of its own.

use std::{env, error::Error, process::ExitCode};

use cachekit::{
    Cache,
    outbox::{self, Backend, Relay},
};
use sqlx::{MySql, Pool, Postgres, Sqlite};
use tokio::signal::unix::{SignalKind, signal};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_ansi(false).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cachekit-relay: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let url = setting("DATABASE_URL")?;
    match url.split(':').next() {
        Some("postgres" | "postgresql") => on::<Postgres>(&url).await,
        Some("mysql" | "mariadb") => on::<MySql>(&url).await,
        Some("sqlite") => on::<Sqlite>(&url).await,
        _ => Err("DATABASE_URL must begin with `postgres:`, `mysql:` or `sqlite:`".into()),
    }
}

async fn on<DB: Backend>(database: &str) -> Result<()> {
    let namespace = setting("NAMESPACE")?;
    let pool = Pool::<DB>::connect(database).await?;
    outbox::migrate(&pool).await?;
    match env::args().nth(1).as_deref() {
        None => relay(&pool, &namespace).await,
        Some("redrive") => {
            println!("{} rows are on their way again", outbox::redrive(&pool, &namespace).await?);
            Ok(())
        }
        Some(_) => Err("there is one command, `redrive`; without it the relay runs".into()),
    }
}

async fn relay<DB: Backend>(pool: &Pool<DB>, namespace: &str) -> Result<()> {
    let redis = setting("REDIS_URL")?;
    let cache = Cache::builder().namespace(namespace).redis(&redis).await?.build()?;
    // Asked for before it says that it is ready, so that nobody can ask too early.
    let stop = asked_to_stop()?;
    let relay = Relay::new(&cache, pool).start();
    println!("relaying `{namespace}`");
    stop.await;
    relay.shutdown().await?;
    let left = outbox::backlog(pool, namespace).await?;
    println!("ended; {} rows wait, {} are dead", left.pending, left.dead);
    cache.shutdown().await?;
    Ok(())
}

/// Resolves at the first Ctrl-C or SIGTERM after this call.
fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn setting(name: &str) -> Result<String> {
    env::var(name).map_err(|_| format!("{name} is not set; see examples/relay/README.md").into())
}
