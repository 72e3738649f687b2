//! A tag is looked at before the load, so it cannot name what that brings.

use cachekit::{Key, cached};

fn org_key(org: i64) -> Key {
    cachekit::key!("org:<org>")
}

#[cached(key = "user:<id>", tags("org:<ret.org>"), ttl = "1h")]
async fn by_template(id: i64) -> Option<i64> {
    Some(id)
}

#[cached(key = "user:<id>", tags(org_key(ret)), ttl = "1h")]
async fn by_expression(id: i64) -> Option<i64> {
    Some(id)
}

fn main() {}
