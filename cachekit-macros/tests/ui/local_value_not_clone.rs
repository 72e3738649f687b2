//! A local value that cannot be handed out twice.

use cachekit::cached;

struct NotClone;

#[cached(key = "user:<id>", ttl = "1h", local)]
async fn find_user(id: i64) -> Option<NotClone> {
    (id > 0).then_some(NotClone)
}

fn main() {}
