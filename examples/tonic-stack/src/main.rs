//! Every layer of cachekit among those of tower and tonic: `cargo run -p tonic-stack`.

mod layers;
mod services;
mod shop;

/// What `build.rs` made of `proto/shop.proto`.
pub mod pb {
    #![allow(missing_docs)]
    tonic::include_proto!("shop");
}

use std::{env, error::Error, io, process::ExitCode, time::Duration};

use axum::{Router, routing::get};
use cachekit::{Cache, bloom::Bloom};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use shop::Shop;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().without_time().with_ansi(false).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tonic-stack: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let stop = asked_to_stop()?;
    let metrics = PrometheusBuilder::new().install_recorder()?;

    let mut cache = Cache::builder().namespace("tonic-stack");
    if let Ok(redis) = env::var("REDIS_URL") {
        cache = cache.redis(&redis).await?; // else in this process alone
    }
    let cache = cache.build()?;

    let db = database().await?;
    let users = Bloom::builder("users").expected(100_000).settle(Duration::from_secs(1));
    let users: Bloom<i64> = users.build(&cache)?;
    let shop = Shop { db: db.clone(), takes: work_takes()? };
    // Until it is done every id passes.
    let filling = tokio::spawn(fill(users.clone(), db.clone()));

    let calls = listen("PORT", "50051").await?;
    let pages = listen("METRICS_PORT", "9100").await?;
    println!("metrics on http://{}/metrics", pages.local_addr()?);
    println!("listening on {}", calls.local_addr()?);
    let serving_pages = tokio::spawn(serve_pages(pages, metrics, stop.clone()));
    let stopped = stopped(stop);
    if env::var_os("BARE").is_some() {
        layers::serve_bare(shop, calls, stopped).await?;
    } else {
        layers::serve(&cache, &users, shop, calls, stopped).await?;
    }

    // In this order: handlers whose clients went away are finished first, then what they need goes.
    filling.abort();
    serving_pages.await??;
    cache.shutdown().await?;
    db.close().await;
    println!("stopped");
    Ok(())
}

async fn listen(setting: &str, port: &str) -> Result<TcpListener, String> {
    let port = env::var(setting).unwrap_or_else(|_| port.to_owned());
    let address = format!("127.0.0.1:{port}");
    TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; set {setting} to another"))
}

/// In memory unless `DATABASE_URL` names a file; then it lives as long as its one connection.
async fn database() -> sqlx::Result<SqlitePool> {
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let url = env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite::memory:".to_owned());
    let db = pool.connect(&url).await?;
    sqlx::raw_sql(include_str!("../schema.sql")).execute(&db).await?;
    Ok(db)
}

/// How long a handler pretends to work.
fn work_takes() -> Result<Duration, String> {
    let text = env::var("WORK_MS").unwrap_or_else(|_| "300".to_owned());
    let millis = text.parse().map_err(|_| format!("WORK_MS is `{text}`; give milliseconds"))?;
    Ok(Duration::from_millis(millis))
}

/// Reads all ids into the filter.
async fn fill(users: Bloom<i64>, db: SqlitePool) {
    let ids = sqlx::query_scalar::<_, i64>("SELECT id FROM users");
    if let Err(error) = users.rebuild(|| ids.fetch(&db)).await {
        tracing::warn!(%error, "the filter is not filled: every id passes");
    }
}

/// Serves `/metrics`, and keeps the size of histograms in bounds.
async fn serve_pages(
    listener: TcpListener,
    metrics: PrometheusHandle,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let shown = metrics.clone();
    let pages = Router::new().route("/metrics", get(move || std::future::ready(shown.render())));
    let upkeep = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(5));
        loop {
            ticks.tick().await;
            metrics.run_upkeep();
        }
    });
    let served = axum::serve(listener, pages).with_graceful_shutdown(stopped(stop)).await;
    upkeep.abort();
    served
}

/// Becomes true at the first Ctrl-C or SIGTERM after this call.
fn asked_to_stop() -> io::Result<watch::Receiver<bool>> {
    let (tell, stop) = watch::channel(false);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tell.send_replace(true);
    });
    Ok(stop)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // The sender is gone only after it has told.
    let _ = stop.wait_for(|stop| *stop).await;
}
