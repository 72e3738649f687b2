//! A type that says nothing of how it stands in a key.

use cachekit::locked;

struct Order {
    id: i64,
}

#[locked(key = "order:<order>")]
async fn ship(order: &Order) -> Result<i64, cachekit::Error> {
    Ok(order.id)
}

fn main() {}
