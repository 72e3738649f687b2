//! A type that cannot say what the filter says.

use cachekit::{bloom::Bloom, cached};

#[cached(key = "user:<id>", ttl = "1h", bloom = bloom)]
async fn find_user(bloom: &Bloom<i64>, id: i64) -> Result<i64, String> {
    Ok(id)
}

fn main() {}
