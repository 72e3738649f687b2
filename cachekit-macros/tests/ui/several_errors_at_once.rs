//! Every error of an attribute in one build.

use cachekit::cached;

#[cached(kye = "user:<id>", ttl = "30x", negative_ttl = "1m", negative_ttl = "2m", shared, skip(langg))]
fn find_user(id: i64, lang: &str) -> Option<i64> {
    let _ = lang;
    Some(id)
}

#[cached(key = "order:<idd>", ttl = "5m±10m", skip(lang))]
async fn find_order(id: i64, lang: &str) -> impl std::fmt::Display {
    let _ = lang;
    id
}

fn main() {}
