//! A lock on what is no function.

use cachekit::locked;

#[locked(key = "order")]
struct Order;

fn main() {
    let _ = Order;
}
