//! Every layer of cachekit among those of tower and tower-http: `cargo run -p axum-stack`.

mod http;
mod layers;
mod shop;

use std::{env, error::Error, io, net::SocketAddr, process::ExitCode, time::Duration};

use cachekit::{Cache, bloom::Bloom};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use shop::Shop;
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
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
            eprintln!("axum-stack: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let stop = asked_to_stop()?;
    let metrics = PrometheusBuilder::new().install_recorder()?;

    let mut cache = Cache::builder().namespace("axum-stack");
    if let Ok(redis) = env::var("REDIS_URL") {
        cache = cache.redis(&redis).await?; // else in this process alone
    }
    let cache = cache.build()?;

    let db = database().await?;
    let users = Bloom::builder("users").expected(100_000).settle(Duration::from_secs(1));
    let users: Bloom<i64> = users.build(&cache)?;
    let shop = Shop { db: db.clone(), users: users.clone(), takes: work_takes()? };
    let app = layers::router(&cache, shop, metrics.clone())?;
    // Until it is done every id passes.
    let filling = tokio::spawn(fill(users, db.clone()));
    let upkeep = tokio::spawn(upkeep(metrics));

    let address = format!("127.0.0.1:{}", env::var("PORT").unwrap_or_else(|_| "3000".to_owned()));
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; set PORT to another"))?;
    println!("listening on http://{}", listener.local_addr()?);
    // The rate limit wants to know who asks.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;

    // In this order: handlers whose clients went away are finished first, then what they need goes.
    filling.abort();
    upkeep.abort();
    cache.shutdown().await?;
    db.close().await;
    println!("stopped");
    Ok(())
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

/// Keeps the size of histograms in bounds.
async fn upkeep(metrics: PrometheusHandle) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        metrics.run_upkeep();
    }
}

/// Resolves at the first Ctrl-C or SIGTERM after this call.
fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
