//! Splits what Redis and its clients say into commands and replies (RESP2 and RESP3), byte for byte.

use std::io::{self, BufRead};

/// Appends one command to `raw` and returns its name and arguments.
pub(crate) fn request(from: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<Vec<Vec<u8>>> {
    let (kind, count) = line(from, raw)?;
    if kind != b'*' {
        return Err(io::Error::other("a command that is no list"));
    }
    (0..count).map(|_| argument(from, raw)).collect()
}

fn argument(from: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let (_, length) = line(from, raw)?;
    let start = raw.len();
    bytes(from, raw, length)?;
    Ok(raw[start..raw.len() - 2].to_vec())
}

/// Appends one reply, or push, to `raw`.
pub(crate) fn reply(from: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<()> {
    let (kind, number) = line(from, raw)?;
    let parts = match kind {
        b'$' | b'=' | b'!' => return bytes(from, raw, number),
        b'*' | b'~' | b'>' => number,
        b'%' => 2 * number,
        // Attributes stand before the reply they belong to.
        b'|' => 2 * number + 1,
        _ => 0,
    };
    (0..parts).try_for_each(|_| reply(from, raw))
}

/// Appends one line and returns its first byte and the number behind it, if it is one.
fn line(from: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<(u8, i64)> {
    let start = raw.len();
    if from.read_until(b'\n', raw)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = &raw[start..];
    let number = std::str::from_utf8(&line[1..]).ok().and_then(|text| text.trim_end().parse().ok());
    Ok((line[0], number.unwrap_or(0)))
}

/// Appends `length` bytes and the line's end behind them; nothing for a nil.
fn bytes(from: &mut impl BufRead, raw: &mut Vec<u8>, length: i64) -> io::Result<()> {
    let Ok(length) = usize::try_from(length) else { return Ok(()) };
    let start = raw.len();
    raw.resize(start + length + 2, 0);
    from.read_exact(&mut raw[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_split_at_their_ends() {
        let replies: [&[u8]; 7] = [
            b"+OK\r\n",
            b"$4\r\na\r\nb\r\n",
            b"$-1\r\n",
            b"*2\r\n:1\r\n$0\r\n\r\n",
            b"%1\r\n+a\r\n*1\r\n_\r\n",
            b">2\r\n+invalidate\r\n_\r\n",
            b"|1\r\n+a\r\n:1\r\n#t\r\n",
        ];
        let all = replies.concat();
        let mut from = &all[..];
        for expected in replies {
            let mut raw = Vec::new();
            reply(&mut from, &mut raw).unwrap();
            assert_eq!(raw, expected);
        }
        assert!(reply(&mut from, &mut Vec::new()).is_err());
    }
}
