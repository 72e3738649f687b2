use cachekit::{Key, invalidates, key};

fn keys(ids: &[i64]) -> Key {
    key!("user:<ids[]>")
}

#[invalidates("user:<ids[]>")]
async fn remove(ids: &[i64]) -> Result<(), ()> {
    Ok(drop(ids))
}

fn main() {}
