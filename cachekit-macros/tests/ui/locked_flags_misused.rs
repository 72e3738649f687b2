//! Options that say nothing, or not what they seem to.

use cachekit::locked;

#[locked(key = "order:<id>", fair)]
async fn no_row(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", wait = "2s", fair = true)]
async fn with_a_value(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", guard)]
async fn no_name(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", guard = "lock")]
async fn name_in_quotes(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", guard = id)]
async fn name_taken(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

#[locked(key = "order:<id>", owner = "shipping\n")]
async fn label_of_two_lines(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

fn main() {}
