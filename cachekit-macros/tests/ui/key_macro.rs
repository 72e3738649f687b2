//! `key!` takes one template.

use cachekit::{Key, key};

pub fn keys(id: i64) {
    let _: Key = key!(id);
    let _: Key = key!("user:<id", id);
    let _: Key = key!("user:<idd>");
    let _: Key = key!("user:<id>", id = 7);
    let _: Key = key!();
    let _: Key = key!("<id>");
}

fn main() {}
