//! Lines to the parent, and its go-ahead.

use std::io::{self, Write};

/// Sends the parent one line, at once: this process may be killed next.
pub(crate) fn tell(line: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Says that all is set up and waits for the parent's word.
pub(crate) async fn ready() -> io::Result<()> {
    tell("ready")?;
    let word = tokio::task::spawn_blocking(|| {
        let mut word = String::new();
        io::stdin().read_line(&mut word).map(|_| word)
    });
    match word.await.map_err(io::Error::other)??.trim() {
        "go" => Ok(()),
        word => Err(io::Error::other(format!("the parent said {word:?}"))),
    }
}
