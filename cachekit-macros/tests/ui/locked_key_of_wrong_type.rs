//! Expressions that give no key.

use cachekit::locked;

#[locked(key = format!("order:{id}"))]
async fn text(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(keys = ids.iter())]
async fn numbers(ids: &[i64]) -> Result<(), cachekit::Error> {
    Ok(())
}

fn main() {}
