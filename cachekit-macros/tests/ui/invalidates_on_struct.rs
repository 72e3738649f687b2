//! An attribute on something else.

use cachekit::invalidates;

#[invalidates("user")]
struct User;

fn main() {}
