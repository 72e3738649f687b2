use cachekit::writes_through;

#[writes_through(ttl = "1m")]
async fn without_a_key(id: i64) -> Result<i64, ()> {
    Ok(id)
}

#[writes_through(key = "user:<ret>", ttl = "1m")]
async fn key_of_the_result(id: i64) -> Result<i64, ()> {
    Ok(id)
}

#[writes_through(key = "user:<id>", ttl = "1m")]
async fn in_a_transaction(tx: &mut Transaction, id: i64) -> Result<i64, ()> {
    let _ = tx;
    Ok(id)
}

#[writes_through(key = "user:<id>", ttl = "1m")]
fn not_async(id: i64) -> Result<i64, ()> {
    Ok(id)
}

struct Transaction;

fn main() {}
