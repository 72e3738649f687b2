//! Contenders in turns: a few calls of each, over and over, so that what else the machine does meets them all.

use std::{
    fmt,
    hint::black_box,
    time::{Duration, Instant},
};

use crate::Keys;

const ROUNDS: usize = 400;
/// Short enough that most batches are not interrupted, long enough for the clock.
const BATCH: u64 = 1_000;

/// One that is measured in batches of calls.
pub struct Contender<'a> {
    /// What it is called in the table.
    pub name: &'static str,
    batch: Box<dyn FnMut(u64) -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    /// Calls `read` with keys from 0 to `count` − 1, and has done so once for each of them.
    pub fn new<T>(name: &'static str, count: u64, read: impl Fn(i64) -> T + 'a) -> Self {
        (0..count as i64).for_each(|id| drop(read(id)));
        let mut keys = Keys::new(count);
        let batch = move |calls| {
            let begun = Instant::now();
            for _ in 0..calls {
                black_box(read(black_box(keys.next_key())));
            }
            begun.elapsed()
        };
        Self { name, batch: Box::new(batch) }
    }

    /// How long so many calls take.
    pub fn time(&mut self, calls: u64) -> Duration {
        (self.batch)(calls)
    }
}

impl fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Contender").field(&self.name).finish()
    }
}

/// Lets the contenders take turns, and prints the median of each and the first one's ratio to it, with the quartiles of
/// that.
#[allow(clippy::print_stdout)]
pub fn print_turns(group: &str, contenders: &mut [Contender<'_>]) {
    let mut rounds = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for round in 0..ROUNDS {
        for turn in 0..contenders.len() {
            // Nobody always follows the same one.
            let place = if round % 2 == 0 { turn } else { contenders.len() - 1 - turn };
            let index = (round + place) % contenders.len();
            let took = contenders[index].time(BATCH);
            rounds[index].push(took.as_nanos() as f64 / BATCH as f64);
        }
    }
    let Some(ours) = rounds.first().cloned() else { return };
    println!("\n{group}, in turns: median ns, and {} : contender (quartiles)", contenders[0].name);
    for (contender, theirs) in contenders.iter().zip(rounds) {
        let [low, _, high] = quartiles(ours.iter().zip(&theirs).map(|(a, b)| a / b).collect());
        let ([_, ours, _], [_, theirs, _]) = (quartiles(ours.clone()), quartiles(theirs));
        let ratio = ours / theirs;
        println!("  {:32} {theirs:10.1}  {ratio:5.2}  ({low:.2}, {high:.2})", contender.name);
    }
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}
