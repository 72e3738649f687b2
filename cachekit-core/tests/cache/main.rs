//! Caches in one process, through the public API.

#![allow(clippy::unwrap_used)]

mod at_once;
mod bounds;
mod fallback;
mod flights;
mod refresh;

use cachekit_core::{__private::KeyBuf, Key, Segment as _};

fn key(id: u32) -> Key {
    KeyBuf::new("item:<id>", |w| {
        w.literal("item:");
        w.segment(|w| id.write(w));
    })
    .into_key()
}
