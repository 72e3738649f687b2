//! Prints the table of all models and variants; with a word, of those whose model is called so, with the ways to what broke.

use std::io::{self, Write};
use std::process::ExitCode;

use cachekit_model::{Row, variants};

fn main() -> io::Result<ExitCode> {
    let only = std::env::args().nth(1);
    let mut out = io::stdout().lock();
    let mut surprised = false;
    writeln!(out, "{}", Row::head())?;
    for variant in variants::all() {
        if only.as_deref().is_some_and(|only| only != variant.model) {
            continue;
        }
        let row = variant.check();
        writeln!(out, "{row}")?;
        for (property, steps) in row.broken.iter().filter(|_| only.is_some()) {
            writeln!(out, "    {}: {}", property.name(), steps.join(" | "))?;
        }
        for surprise in &row.surprises {
            surprised = true;
            writeln!(out, "    SURPRISE {surprise}")?;
        }
    }
    Ok(if surprised { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
