//! The sweep: removes every key of a namespace when it is no longer known which of them are stale.

use redis::{Cmd, RedisWrite, Value};

use super::link::Link;
use super::names::Names;
use super::reply::{self, Reply, StoreError};
use super::script;
use super::store;

/// How many keys one SCAN looks at.
const STEP: &[u8] = b"1000";

/// Removes all that was there when it began. Whatever is leased while it runs reads its source afresh.
pub(super) async fn run(link: &Link, names: &Names) -> Result<u64, StoreError> {
    let pattern = pattern(names.prefix());
    let mut cursor = b"0".to_vec();
    let mut removed = 0;
    loop {
        let (next, keys) = page(link.send(scan(&cursor, &pattern)).await?)?;
        let ours = keys.iter().filter(|key| key.starts_with(names.prefix().as_bytes()));
        let commands = ours.map(|key| store::unlink(&key[..])).collect::<Vec<_>>();
        let replies = link.send_all(&script::pipeline(commands.into_iter())).await?;
        for reply in replies {
            removed += u64::from(reply::int(reply)? > 0);
        }
        if next == b"0" {
            return Ok(removed);
        }
        cursor = next;
    }
}

fn scan(cursor: &[u8], pattern: &str) -> Cmd {
    let mut command = Cmd::with_capacity(6, 32 + pattern.len());
    for arg in [b"SCAN", cursor, b"MATCH", pattern.as_bytes(), b"COUNT", STEP] {
        command.write_arg(arg);
    }
    command
}

/// A namespace may hold what a pattern reads as a wildcard.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}

/// The next cursor and the keys of one SCAN reply.
pub(super) fn page(reply: Reply) -> Result<(Vec<u8>, Vec<Vec<u8>>), StoreError> {
    let parts = match reply {
        Reply::Other(value) => *value,
        reply => return Err(reply::int(reply).err().unwrap_or(StoreError::Io)),
    };
    let Value::Array(parts) = parts else { return Err(StoreError::Io) };
    let Ok([cursor, Value::Array(keys)]) = <[Value; 2]>::try_from(parts) else {
        return Err(StoreError::Io);
    };
    let text = |value: Value| reply::bytes(value.into());
    let cursor = text(cursor)?.ok_or(StoreError::Io)?;
    let keys = keys.into_iter().filter_map(|key| text(key).ok().flatten()).collect();
    Ok((cursor, keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_matched_literally() {
        assert_eq!(pattern("ck:a*b[c]:"), r"ck:a\*b\[c\]:*");
    }
}
