//! Times that are expressions of another type.

use cachekit::locked;

#[locked(key = "order:<id>", lease = seconds, wait = later())]
async fn ship(id: i64, seconds: u64) -> Result<(), cachekit::Error> {
    Ok(())
}

fn later() -> std::time::Instant {
    std::time::Instant::now()
}

fn main() {}
