use cachekit::invalidates;

#[invalidates("titles:*")]
async fn rename(id: i64) {
    let _ = id;
}

fn main() {}
