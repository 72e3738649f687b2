//! Commands from bytes, replies to bytes.

use std::fmt;

/// A command: its name and arguments.
pub(super) type Words = Vec<Vec<u8>>;

/// What arrived and is not a whole command yet.
#[derive(Debug, Default)]
pub(super) struct Incoming(Vec<u8>);

impl Incoming {
    pub(super) fn take_in(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole command.
    pub(super) fn next(&mut self) -> Option<Words> {
        let (words, used) = parse(&self.0)?;
        self.0.drain(..used);
        Some(words)
    }
}

/// The first command of `bytes`, and how many of them it takes.
fn parse(bytes: &[u8]) -> Option<(Words, usize)> {
    let (count, mut at) = number(bytes, 0, b'*')?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, begin) = number(bytes, at, b'$')?;
        words.push(bytes.get(begin..begin + length)?.to_vec());
        at = begin + length + 2;
    }
    (at <= bytes.len()).then_some((words, at))
}

/// The number of the line at `at`, which begins with `kind`, and where the next line begins.
fn number(bytes: &[u8], at: usize, kind: u8) -> Option<(usize, usize)> {
    let line = bytes.get(at..)?;
    let end = line.windows(2).position(|pair| pair == b"\r\n")?;
    let digits = line[..end].strip_prefix(&[kind])?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, at + end + 2))
}

/// What a command is answered.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Ok,
    Pong,
    Nil,
    Int(i64),
    Bytes(Vec<u8>),
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    /// Out of band: an invalidation, of one key or of all.
    Invalidate(Option<Vec<u8>>),
    Error(String),
}

impl Reply {
    pub(super) fn text(text: &str) -> Reply {
        Reply::Bytes(text.as_bytes().to_vec())
    }

    pub(super) fn error(text: &str) -> Reply {
        Reply::Error(text.to_owned())
    }

    /// As RESP3 writes it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let head = |out: &mut Vec<u8>, kind: char, count: usize| {
            out.extend_from_slice(format!("{kind}{count}\r\n").as_bytes());
        };
        match self {
            Reply::Ok => out.extend_from_slice(b"+OK\r\n"),
            Reply::Pong => out.extend_from_slice(b"+PONG\r\n"),
            Reply::Nil => out.extend_from_slice(b"_\r\n"),
            Reply::Int(number) => out.extend_from_slice(format!(":{number}\r\n").as_bytes()),
            Reply::Error(text) => out.extend_from_slice(format!("-{text}\r\n").as_bytes()),
            Reply::Bytes(bytes) => {
                head(out, '$', bytes.len());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Reply::Array(items) => {
                head(out, '*', items.len());
                items.iter().for_each(|item| item.write(out));
            }
            Reply::Map(pairs) => {
                head(out, '%', pairs.len());
                pairs.iter().for_each(|(name, value)| {
                    name.write(out);
                    value.write(out);
                });
            }
            Reply::Invalidate(key) => {
                head(out, '>', 2);
                Reply::text("invalidate").write(out);
                match key {
                    Some(key) => Reply::Array(vec![Reply::Bytes(key.clone())]).write(out),
                    None => Reply::Nil.write(out),
                }
            }
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        write!(f, "{}", bytes.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_however_they_are_cut() {
        let bytes = b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\r\n$4\r\nPING\r\n";
        for cut in 0..bytes.len() {
            let mut incoming = Incoming::default();
            let mut words = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                incoming.take_in(part);
                words.extend(std::iter::from_fn(|| incoming.next()));
            }
            assert_eq!(words, [vec![b"GET".to_vec(), b"a\r\nb".to_vec()], vec![b"PING".to_vec()]]);
        }
    }
}
