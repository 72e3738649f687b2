//! Orders that never oversell, and a cache that never shows more than is left: `cargo run -p orders`.

mod db;
mod http;
mod shop;

use std::{env, error::Error, process::ExitCode};

use cachekit::{
    Cache,
    outbox::{self, Relay},
};
use db::Db;
use sqlx::Pool;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().without_time().with_ansi(false).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orders: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let stop = asked_to_stop()?;
    let mut cache = Cache::builder().namespace("orders");
    if let Ok(redis) = env::var("REDIS_URL") {
        cache = cache.redis(&redis).await?; // else in this process alone
    }
    let cache = cache.build()?;
    cache.clone().install()?;

    let pool = Pool::<Db>::connect(&database_url()).await?;
    sqlx::raw_sql(db::SCHEMA).execute(&pool).await?;
    outbox::migrate(&pool).await?;
    // Does what a process left undone that died after its commit.
    let relay = Relay::new(&cache, &pool).start();

    let address = format!("127.0.0.1:{}", env::var("PORT").unwrap_or_else(|_| "3000".to_owned()));
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; set PORT to another"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = http::router(cache.clone(), pool.clone());
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;

    // In this order: the relay needs the cache and the database.
    relay.shutdown().await?;
    cache.shutdown().await?;
    pool.close().await;
    Ok(())
}

fn database_url() -> String {
    env::var("DATABASE_URL").unwrap_or_else(|_| {
        let file = env::temp_dir().join("cachekit-orders.db");
        format!("sqlite:{}?mode=rwc", file.display())
    })
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
