//! The names of a namespace's keys in Redis.

use std::fmt;
use std::io::Write;

use redis::{RedisWrite, ToRedisArgs};

use crate::{Error, ErrorKind};

/// The namespace's keys in Redis: `ck:<namespace>:<key text>`, and `ck~r:<namespace>:<key text>` for the marks of
/// those who load them anew.
pub(super) struct Names {
    prefix: String,
    mark: String,
}

impl Names {
    pub(super) fn new(namespace: &str) -> Result<Names, Error> {
        check("namespace", namespace)?;
        let (prefix, mark) = (format!("ck:{namespace}:"), format!("ck~r:{namespace}:"));
        Ok(Names { prefix, mark })
    }

    pub(super) fn namespace(&self) -> &str {
        self.prefix.strip_prefix("ck:").and_then(|name| name.strip_suffix(':')).unwrap_or_default()
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What heartbeats begin with. It stands after the namespace's keys in the order of bytes: what happened to both in
    /// one turn of the server's is told in that order.
    pub(super) fn heartbeats(&self) -> String {
        format!("ck~hb:{}", &self.prefix["ck:".len()..])
    }

    pub(super) fn key<'a>(&'a self, text: &'a str) -> StoreKey<'a> {
        StoreKey { prefix: &self.prefix, text }
    }

    /// Where it is said that somebody loads the key anew.
    pub(super) fn mark<'a>(&'a self, text: &'a str) -> StoreKey<'a> {
        StoreKey { prefix: &self.mark, text }
    }
}

/// Whether `name` can stand between the colons of a key.
pub(super) fn check(what: &str, name: &str) -> Result<(), Error> {
    let forbidden = |c: char| matches!(c, ':' | '.' | '{' | '}') || c.is_control();
    if !name.is_empty() && name.len() <= 64 && !name.contains(forbidden) {
        return Ok(());
    }
    let message = format!(
        "`{}` is no {what}; give 1 to 64 bytes without `:`, `.`, `{{` and `}}`",
        name.escape_debug()
    );
    Err(Error::new(ErrorKind::Config, super::CONNECT, message))
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)
    }
}

/// A key as it is in Redis, put together while the command is written.
#[derive(Clone, Copy)]
pub(super) struct StoreKey<'a> {
    prefix: &'a str,
    text: &'a str,
}

#[cfg(any(feature = "events", feature = "bloom"))]
impl<'a> StoreKey<'a> {
    /// A key that stands outside of the namespace.
    pub(super) fn whole(text: &'a str) -> StoreKey<'a> {
        StoreKey { prefix: "", text }
    }
}

impl StoreKey<'_> {
    pub(super) fn len(&self) -> usize {
        self.prefix.len() + self.text.len()
    }
}

impl ToRedisArgs for StoreKey<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut arg = out.writer_for_next_arg();
        // A command buffer grows and never fails.
        let _ = arg.write_all(self.prefix.as_bytes());
        let _ = arg.write_all(self.text.as_bytes());
    }
}
