//! A soft time-out needs arguments that can be copied.

use cachekit::cached;

#[cached(key = "name:<id>", ttl = "1h", stale_if_error = "1h", soft_timeout = "50ms")]
async fn name(seen: &mut Vec<String>, id: i64) -> Result<String, std::io::Error> {
    seen.push(id.to_string());
    Ok(id.to_string())
}

fn main() {}
