//! Work in the background needs arguments that can be copied.

use cachekit::cached;

struct Pool;
struct Json<T>(T);
struct Query<'a>(&'a str);

struct Repo;

impl Repo {
    #[cached(key = "user:<id>", ttl = "1h", stale_while_revalidate = "5m", shared)]
    async fn by_mut(&mut self, id: i64) -> i64 {
        id
    }
}

#[cached(key = "user:<id>", ttl = "1h", stale_while_revalidate = "5m")]
async fn unique(db: &mut Pool, id: i64) -> i64 {
    id
}

#[cached(key = "user:<id>", ttl = "1h", refresh_ahead)]
async fn unnamed(db: impl Clone, id: i64) -> i64 {
    id
}

#[cached(key = "user:<id>", ttl = "1h", refresh_ahead = "10%")]
async fn pattern(Json(id): Json<i64>) -> i64 {
    id
}

#[cached(key = "user:<id>", ttl = "1h", refresh_ahead = "1m", skip(names))]
async fn borrows(query: &Query<'_>, names: &[&str], id: i64) -> i64 {
    id
}

fn main() {}
