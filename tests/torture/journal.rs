//! A history that is written while it happens, by processes that may be killed.
//!
//! A write is noted before it begins and when it has returned: what began and has no end may be committed, now or later.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::history::{Call, Event};

/// Where one caller notes what it does. Reads are kept back for a while, and lost if the process is killed.
#[derive(Debug)]
pub struct Journal {
    out: BufWriter<File>,
}

impl Journal {
    /// Adds to this file, as others may do at the same time.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Journal> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Journal { out: BufWriter::with_capacity(32 * 1024, file) })
    }

    /// Notes that writes begin, before they do.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(&mut self, process: u32, keys: &[u32], invoked: u64) -> io::Result<()> {
        for key in keys {
            let call = Call::LostWrite;
            self.line(&Event { process, key: *key, invoked, returned: invoked, call })?;
        }
        self.out.flush()
    }

    /// Notes what has come to its end.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&mut self, event: &Event) -> io::Result<()> {
        self.line(event)?;
        match event.call {
            Call::Write { .. } | Call::LostWrite => self.out.flush(),
            Call::Read { .. } | Call::LostRead => Ok(()),
        }
    }

    /// In one piece: several callers add to one file.
    fn line(&mut self, event: &Event) -> io::Result<()> {
        self.out.write_all(format!("{event}\n").as_bytes())
    }
}

/// Reads a journal: each write once, lost if its end is missing.
///
/// # Errors
/// When the file cannot be read, or a line of it, unless it is the last, is no event.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    let text = std::fs::read_to_string(path)?;
    // The process may have been killed in the midst of a line.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let events = whole.lines().map(str::parse).collect::<io::Result<Vec<Event>>>()?;
    Ok(settle(events))
}

/// Leaves out the beginnings of writes that have an end.
fn settle(events: Vec<Event>) -> Vec<Event> {
    let name = |event: &Event| (event.process, event.key, event.invoked);
    let mut writes = HashMap::<_, Event>::new();
    let mut settled = Vec::with_capacity(events.len());
    for event in events {
        match event.call {
            Call::Read { .. } | Call::LostRead => settled.push(event),
            // Its end stands behind its beginning.
            Call::Write { .. } | Call::LostWrite => drop(writes.insert(name(&event), event)),
        }
    }
    settled.extend(writes.into_values());
    settled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Source;

    #[test]
    fn a_write_without_an_end_is_lost_and_half_a_line_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        let event =
            |key, invoked, call| Event { process: 1, key, invoked, returned: invoked, call };
        let read = event(4, 1, Call::Read { version: 7, source: Source::Cache });
        journal.note(&read).unwrap();
        journal.begin(1, &[4, 5], 2).unwrap();
        let written = event(4, 2, Call::Write { version: 8, applied: true });
        journal.note(&written).unwrap();
        journal.out.get_mut().write_all(b"1 4 17 ").unwrap();
        let mut events = super::read(&path).unwrap();
        events.sort_by_key(|event| (event.invoked, event.key));
        assert_eq!(events, [read, written, event(5, 2, Call::LostWrite)]);
    }
}
