//! What the benchmarks share: values, keys, callers, and a table of ratios at the end of a run.

mod tasks;
mod turns;

use std::path::Path;

pub use tasks::{bare_connection, rounds, runtimes, time};
pub use turns::{Contender, print_turns};

/// A value of about 200 bytes.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct User {
    /// Its key.
    pub id: i64,
    /// Short text.
    pub name: String,
    /// Longer text.
    pub biography: String,
    /// Numbers.
    pub scores: Vec<u32>,
}

impl User {
    /// The user of this number.
    pub fn new(id: i64) -> Self {
        Self {
            id,
            name: format!("user {id}"),
            biography: "b".repeat(120),
            scores: (0..10).collect(),
        }
    }
}

/// Keys in an order that no prefetcher guesses.
#[derive(Debug)]
pub struct Keys(u64, u64);

impl Keys {
    /// Keys from 0 to `count` − 1.
    pub fn new(count: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15, count)
    }

    /// The same in another order, so that tasks do not follow one another.
    pub fn seeded(count: u64, seed: u64) -> Self {
        let mut keys = Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, count);
        for _ in 0..8 {
            keys.next_key();
        }
        keys
    }

    /// The next one.
    #[inline]
    pub fn next_key(&mut self) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % self.1) as i64
    }
}

/// Prints the median of each contender of a criterion group, and the first one's ratio to it.
#[allow(clippy::print_stdout)]
pub fn print_ratios(group: &str, contenders: &[&str]) {
    let of_workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target").to_owned();
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or(of_workspace);
    let median = |name: &str| -> Option<f64> {
        let path = Path::new(&target).join("criterion").join(group).join(name);
        let text = std::fs::read_to_string(path.join("new/estimates.json")).ok()?;
        let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    };
    let Some(ours) = contenders.first().and_then(|name| median(name)) else { return };
    println!("\n{group}: median ns, and {} : contender", contenders[0]);
    for name in contenders {
        if let Some(theirs) = median(name) {
            println!("  {name:32} {theirs:10.1}  {:5.2}", ours / theirs);
        }
    }
}
