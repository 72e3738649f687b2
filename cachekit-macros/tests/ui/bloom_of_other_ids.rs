//! A filter of text, asked for a number; a filter of numbers, asked for a pair.

use cachekit::{bloom::Bloom, cached};

#[cached(key = "user:<id>", ttl = "1h", bloom = bloom)]
async fn find_user(bloom: &Bloom<str>, id: i64) -> Option<i64> {
    Some(id)
}

#[cached(key = "member:<org>:<id>", ttl = "1h", bloom = bloom)]
async fn find_member(bloom: &Bloom<i64>, org: i64, id: i64) -> Option<i64> {
    Some(org + id)
}

fn main() {}
