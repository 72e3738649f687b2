//! A shop's products, served by several processes that share one cache; `run.sh` shows it.

mod http;
mod products;

use std::{env, error::Error, process::ExitCode, time::Duration};

use cachekit::Cache;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::{
    net::TcpListener,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().without_time().with_ansi(false).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storefront: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    // Permanent faults end the process here; a Redis that is merely away does not.
    let cache =
        Cache::builder().namespace("storefront").redis(&setting("REDIS_URL")?).await?.build()?;
    cache.clone().install()?;

    let primary = database("DATABASE_URL").await?;
    sqlx::raw_sql(include_str!("../schema.sql")).execute(&primary).await?;
    let replica = match env::var_os("REPLICA_URL") {
        Some(_) => database("REPLICA_URL").await?,
        None => primary.clone(),
    };

    let address = format!("127.0.0.1:{}", env::var("PORT").unwrap_or_else(|_| "3000".to_owned()));
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; set PORT to another"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = http::router(primary, replica);
    axum::serve(listener, app).with_graceful_shutdown(asked_to_stop()).await?;

    // Invalidations that are still on their way get through, or the error says how many did not.
    cache.shutdown().await?;
    Ok(())
}

fn setting(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| {
        format!("{name} is not set; `examples/storefront/run.sh` starts servers and sets it")
    })
}

async fn database(setting_name: &str) -> Result<PgPool, String> {
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(5));
    pool.connect(&setting(setting_name)?)
        .await
        .map_err(|error| format!("cannot use the PostgreSQL of {setting_name}: {error}"))
}

async fn asked_to_stop() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = ctrl_c() => {}
        _ = terminated => {}
    }
}
