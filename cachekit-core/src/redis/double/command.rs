//! The commands that the engine sends, as Redis answers them.

use super::{keys::Keys, resp::Reply, script};

/// Runs a command on the keys.
pub(super) fn run(keys: &mut Keys, words: &[Vec<u8>]) -> Reply {
    let [name, args @ ..] = words else { return Reply::error("ERR empty command") };
    let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    match (name.to_ascii_uppercase().as_slice(), &args[..]) {
        (b"SET", [key, value, options @ ..]) => set(keys, key, value, options),
        (b"GET", [key]) => value(keys, key),
        (b"GETEX", [key]) => value(keys, key),
        (b"GETEX", [key, px, time]) if px.eq_ignore_ascii_case(b"PX") => {
            match (value(keys, key), number(time)) {
                (Reply::Nil, _) => Reply::Nil,
                (reply, Some(time)) => {
                    keys.expire(key, Some(time));
                    reply
                }
                (_, None) => not_an_integer(),
            }
        }
        (b"GETEX", [_, ..]) => syntax(),
        (b"UNLINK" | b"DEL", [_, ..]) => {
            Reply::Int(args.iter().map(|key| i64::from(keys.remove(key))).sum())
        }
        (b"EXISTS", [_, ..]) => {
            Reply::Int(args.iter().map(|key| i64::from(keys.get(key).is_some())).sum())
        }
        (b"PTTL", [key]) => Reply::Int(keys.left_ms(key)),
        (b"PEXPIRE", [key, time]) => match number(time) {
            Some(time) => Reply::Int(i64::from(keys.expire(key, Some(time)))),
            None => not_an_integer(),
        },
        (b"GETRANGE", [key, first, last]) => match (number(first), number(last)) {
            (Some(first), Some(last)) => {
                let bytes = keys.get(key).map(|bytes| bytes.as_slice()).unwrap_or_default();
                Reply::Bytes(range(bytes, first, last).to_vec())
            }
            _ => not_an_integer(),
        },
        (b"SCAN", [_cursor, pattern, glob, ..]) if pattern.eq_ignore_ascii_case(b"MATCH") => {
            scan(keys, glob)
        }
        (b"EVALSHA", [hash, one, key, args @ ..]) if *one == b"1" => {
            script::by_hash(keys, hash, key, args)
        }
        (b"EVAL", [source, one, key, args @ ..]) if *one == b"1" => {
            script::in_full(keys, source, key, args)
        }
        (b"FLUSHALL" | b"FLUSHDB", _) => {
            keys.clear();
            Reply::Ok
        }
        (b"PING", []) => Reply::Pong,
        _ => unknown(name),
    }
}

/// Whether a command has to do with the connection alone, and so is spared by what is to go wrong.
pub(super) fn is_of_the_connection(name: &[u8]) -> bool {
    let names: [&[u8]; 6] = [b"HELLO", b"CLIENT", b"SELECT", b"INFO", b"CONFIG", b"PING"];
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn set(keys: &mut Keys, key: &[u8], new: &[u8], options: &[&[u8]]) -> Reply {
    let (mut nx, mut get, mut px) = (false, false, None);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option.to_ascii_uppercase().as_slice() {
            b"NX" => nx = true,
            b"GET" => get = true,
            b"PX" => match options.next().map(|time| number(time)) {
                Some(Some(0)) => return Reply::error("ERR invalid expire time in 'set' command"),
                Some(Some(time)) => px = Some(time),
                Some(None) => return not_an_integer(),
                None => return syntax(),
            },
            _ => return syntax(),
        }
    }
    let old = keys.get(key).cloned();
    let stored = !nx || old.is_none();
    if stored {
        keys.set(key, new.to_vec(), px);
    }
    match (get, old) {
        (true, Some(old)) => Reply::Bytes(old),
        (true, None) => Reply::Nil,
        (false, _) if stored => Reply::Ok,
        (false, _) => Reply::Nil,
    }
}

fn value(keys: &mut Keys, key: &[u8]) -> Reply {
    keys.get(key).map_or(Reply::Nil, |bytes| Reply::Bytes(bytes.clone()))
}

/// All that matches, in one page.
fn scan(keys: &mut Keys, glob: &[u8]) -> Reply {
    let found = keys.names().into_iter().filter(|name| matches(glob, name));
    let found = found.map(Reply::Bytes).collect();
    Reply::Array(vec![Reply::text("0"), Reply::Array(found)])
}

/// Literal text, escapes, and a star at the end: all that the engine asks for.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    match (glob, name) {
        ([b'*'], _) | ([], []) => true,
        ([b'\\', literal, glob @ ..], [first, name @ ..])
        | ([literal, glob @ ..], [first, name @ ..]) => literal == first && matches(glob, name),
        _ => false,
    }
}

/// From the first byte to the last, both included.
pub(super) fn range(bytes: &[u8], first: u64, last: u64) -> &[u8] {
    let end = usize::try_from(last).unwrap_or(usize::MAX).saturating_add(1).min(bytes.len());
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    bytes.get(first..end).unwrap_or_default()
}

pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn not_an_integer() -> Reply {
    Reply::error("ERR value is not an integer or out of range")
}

fn syntax() -> Reply {
    Reply::error("ERR syntax error")
}

fn unknown(name: &[u8]) -> Reply {
    Reply::Error(format!("ERR unknown command '{}' in the test double", name.escape_ascii()))
}
