//! What `#[derive(Segment)]` cannot write.

use cachekit::Segment;

#[derive(Segment)]
struct Two {
    a: i64,
    b: i64,
}

#[derive(Segment)]
struct Unit;

#[derive(Segment)]
enum WithField {
    A,
    B(i64),
}

#[derive(Segment)]
struct Float(f64);

#[derive(Segment)]
#[segment(rename = "x")]
struct Renamed(i64);

fn main() {}
