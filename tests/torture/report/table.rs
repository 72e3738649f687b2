//! Outcomes as Markdown.

use std::fmt::Write as _;

use crate::ordeal::{Faults, Outcome};

/// What the columns mean.
const INTRO: &str = include_str!("intro.md");

/// The table of these runs, what was done to them, and how they are repeated.
#[must_use]
pub fn markdown(outcomes: &[Outcome], command: &str, date: &str) -> String {
    let mut text = String::from(INTRO);
    text.push_str(
        "| what | database | s | reads | writes | faults (kinds) | too old | oldest stale read | longest call | at rest |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for outcome in outcomes {
        text.push_str(&row(outcome));
    }
    text.push_str(&ours(outcomes));
    let seeds = outcomes.first().map_or(0, |outcome| outcome.setup.seed);
    let _ = writeln!(text, "\n`{command}`, seed {seeds}, {date}.");
    text
}

fn row(outcome: &Outcome) -> String {
    let Outcome { setup, database, faults, summary, wrong, .. } = outcome;
    let oldest = summary.ages.percentile(100);
    let oldest =
        oldest.map_or_else(|| "–".to_owned(), |age| format!("{:.0} ms", age.as_secs_f64() * 1e3));
    let faults = match faults.count() {
        0 => "none".to_owned(),
        count => format!("{} ({})", grouped(count), faults.kinds()),
    };
    let rest = match (wrong.unsettled, wrong.leases, wrong.pending) {
        (0, 0, 0) => "right".to_owned(),
        (stale, leases, pending) => format!("{stale} stale, {leases} leased, {pending} pending"),
    };
    format!(
        "| {} | {database} | {} | {} | {} | {faults} | {} | {oldest} | {:.1} s | {rest} |\n",
        setup.subject.title(),
        setup.seconds,
        grouped(summary.read_count() as u64),
        grouped((summary.applied + summary.pending) as u64),
        grouped(summary.violations.len() as u64),
        summary.longest().as_secs_f64(),
    )
}

/// What this library went through, by kind.
fn ours(outcomes: &[Outcome]) -> String {
    let (mut all, mut mishaps) = (Faults::default(), Faults::default());
    let mut operations = 0;
    for outcome in outcomes.iter().filter(|outcome| outcome.setup.subject.is_ours()) {
        all.merge(&outcome.faults);
        mishaps.merge(&outcome.mishaps);
        operations += outcome.operations() as u64;
    }
    let mut text = format!(
        "\ncachekit: {} operations under {} faults of {} kinds; besides, callers left, loads misbehaved, and another program wrote.\n\n\
         | fault | times |\n|---|--:|\n",
        grouped(operations),
        grouped(all.count()),
        all.kinds(),
    );
    for (kind, count) in all.iter().chain(mishaps.iter()) {
        let _ = writeln!(text, "| {kind} | {} |", grouped(count));
    }
    text
}

/// `1234567` as `1 234 567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ordeal::{Setup, Subject, Wrong};

    #[test]
    fn thousands_stand_apart() {
        let texts = [7, 1_000, 1_234_567].map(grouped);
        assert_eq!(texts, ["7", "1\u{a0}000", "1\u{a0}234\u{a0}567"]);
    }

    #[test]
    fn a_row_says_what_was_left_behind() {
        let outcome = Outcome {
            setup: Setup::of(Subject::Lease, 60, 1),
            database: "sqlite",
            faults: Faults::default(),
            mishaps: Faults::default(),
            summary: crate::check::Summary::default(),
            wrong: Wrong { unsettled: 2, ..Wrong::default() },
            history: Vec::new(),
        };
        let text = markdown(&[outcome], "command", "today");
        assert!(text.contains("| **cachekit** | sqlite | 60 |"), "{text}");
        assert!(text.contains("| 2 stale, 0 leased, 0 pending |"), "{text}");
        assert!(text.ends_with("`command`, seed 1, today.\n"), "{text}");
    }
}
