//! `#[isolated]` takes no options and wraps functions.

use cachekit::isolated;

#[isolated]
struct Test;

#[isolated(cache = 7)]
async fn test() {}

fn main() {}
