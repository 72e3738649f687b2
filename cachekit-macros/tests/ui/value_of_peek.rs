//! The same sentence without an attribute.

struct NoSerde;

fn needs_value<T: cachekit::Value>() {}

pub fn call() {
    needs_value::<NoSerde>();
}

fn main() {}
