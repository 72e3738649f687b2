//! All that is wrong is said in one build, and the function is still there.

use cachekit::locked;

#[locked(key = "order:<idd>", lease = "0s", fair, speed = 9)]
fn ship(id: i64) -> Result<(), cachekit::Error> {
    Ok(())
}

fn main() {
    let _ = ship(7);
}
